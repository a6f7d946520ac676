"""Releases that go: because somebody says so, or because an app has more of them than it keeps.

A release goes in one transaction: its descriptor (whose history stays in the store), its instances and its Routes. The
disk follows: whatever folder no descriptor names is cleared, as soon as nothing runs in it. So a step that was killed
is made up for by the next one. An app's data is never touched.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Iterable
from pathlib import Path

from msgspec.structs import replace

from serai.cloud.descriptors import Instance
from serai.services.apps import addresses
from serai.services.apps.descriptors import App, Release, Trash
from serai.services.apps.picture import Picture, again, everything, take
from serai.services.apps.reconcile import DRAIN
from serai.services.apps.seal import clear
from serai.services.apps.work import Work, until
from serai.store import Delete, Operation, Put, Store

LEEWAY = 20.0  # seconds that the agent may need besides draining
#: An upload this young may be on its way to another release, by whoever sent the same octets: seconds.
YOUNG = 60.0
UNDER_WAY = frozenset({"waiting", "building"})


def surplus(picture: Picture) -> tuple[int, ...]:
    """Return the releases that an app keeps no longer, oldest first: pure.

    The newest ones stay, as many as the last one that was built says; so do all that are live or under way, and what
    each environment would go back to.
    """
    releases = picture.releases
    built = [number for number, record in releases.items() if record.spec.built]
    if not built:
        return ()
    stay = picture.live() | set(sorted(releases)[-releases[max(built)].spec.keep :])
    stay |= {numbers[-1] for numbers in picture.app.spec.before.values() if numbers}
    stay |= {number for number, record in releases.items() if record.spec.state in UNDER_WAY}
    return tuple(sorted(releases.keys() - stay))


def without(picture: Picture, gone: Collection[int]) -> tuple[Operation, ...]:
    """Return what takes releases away, none of them live, with their instances and Routes: pure."""
    app = picture.app.spec
    before = {name: tuple(one for one in numbers if one not in gone) for name, numbers in app.before.items()}
    specs = {number: record.spec for number, record in picture.releases.items() if number not in gone}
    wanted = addresses.routes(picture.site, picture.tenant, picture.app, specs, picture.domains)
    return (
        # The app is written as it is, too: who makes one of them live at this moment comes first, or not at all.
        Put(picture.tenant, picture.app.name, replace(app, before=before), picture.app.version),
        *(
            Delete(Release.KIND, picture.tenant, record.name, record.version)
            for number, record in picture.releases.items()
            if number in gone
        ),
        *(
            Delete(Instance.KIND, picture.tenant, one.name, one.version)
            for one in picture.instances
            if one.spec.release in gone
        ),
        *addresses.changes(picture.routes, wanted),
    )


async def retain(work: Work) -> tuple[int, ...]:
    """Take away what the app keeps no longer; return the numbers."""

    async def attempt() -> tuple[tuple[int, ...], tuple[str, ...]]:
        picture = await take(work.store, work.site, work.tenant, work.app)
        gone = surplus(picture)
        if gone:
            named = ", ".join(map(str, gone))
            await work.store.change(work.who, f"keep no more of {work.app}: {named}"[:1000], without(picture, gone))
        return gone, tuple(picture.releases[number].spec.blob for number in gone)

    gone, blobs = await again(attempt)
    if gone:
        await sweep(work, patient=False)
        await unload(work, blobs)
    return gone


async def sweep(work: Work, *, patient: bool) -> int:
    """Clear the folders of releases that are gone; return how many.

    Those that something still runs in are waited for where ``patient`` is set, and left for the next time otherwise.
    """

    async def quiet() -> bool:
        return not await _running(work, await _orphans(work))

    if patient:
        await until(quiet, DRAIN + LEEWAY)
    orphans = await _orphans(work)
    busy = await _running(work, orphans)
    for number, folder in orphans.items():
        if number not in busy:
            await asyncio.to_thread(clear, folder)
    return len(orphans) - len(busy)


async def unload(work: Work, blobs: Iterable[str]) -> None:
    """Remove uploads that no release of any tenant is made of any more."""
    wanted = set(blobs) - {""}  # that of one that was never fetched
    wanted -= {record.spec.blob for record in await everything(work.store, Release, None)}
    wanted -= {blob for record in await everything(work.store, Trash, None) for blob in record.spec.blobs}
    for blob in wanted:
        await asyncio.to_thread(_unlink, work.blobs(blob))


def _unlink(path: Path) -> None:
    try:
        if time.time() - path.stat().st_mtime > YOUNG:
            path.unlink()
    except FileNotFoundError:
        return


async def _orphans(work: Work) -> dict[int, Path]:
    """Return the folders of releases that nothing names, by number; half-made ones are their build's."""
    folder = work.home / "data/apps" / work.tenant / work.app / "releases"
    known = await _numbers(work.store, work.tenant, work.app)
    found = await asyncio.to_thread(lambda: list(folder.iterdir()) if folder.is_dir() else [])
    return {int(path.name): path for path in found if path.name.isdecimal() and int(path.name) not in known}


async def _numbers(store: Store, tenant: str, app: str) -> set[int]:
    await store.get(App, tenant, app)  # an app that is deleted is cleared as a whole, by its own task
    kept = [one for one in await everything(store, Trash, tenant, f"{app}.") if one.spec.what == "release"]
    numbers = {int(one.name.split(".")[1]) for one in kept if one.spec.app == app}
    return numbers | {record.spec.number for record in await everything(store, Release, tenant, f"{app}.")}


async def _running(work: Work, numbers: Collection[int]) -> set[int]:
    """Return which of these releases still have a process."""
    handles = [handle.id for handle in await work.driver.recover()]
    return {
        number
        for number in numbers
        if any(
            one.startswith(f"{kind}.{work.tenant}.{work.app}.{number}.") for kind in ("app", "run") for one in handles
        )
    }
