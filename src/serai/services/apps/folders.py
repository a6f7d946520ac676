"""The folders of deleted apps on their host: moved aside, brought back, and cleared in the end.

Each step is one rename, or can be done again, so a task that was killed goes on where it was.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from msgspec.structs import replace

from serai.cloud.mounts import device
from serai.cloud.volumes import measure
from serai.errors import ConflictError, ExhaustedError, NotFoundError
from serai.services.apps import plan, prune, recurring
from serai.services.apps.descriptors import Trash
from serai.services.apps.picture import again, take
from serai.services.apps.seal import clear
from serai.services.apps.steps import FailedError, routes
from serai.services.apps.work import Work
from serai.store import Delete, Record

#: What of an app's folder holds its data: the folder, and where there are volumes, its image.
DATA = (".data.ext4", "data")


def aside(work: Work, trash: str) -> Path:
    """Return where the folders of a deleted app are kept. No tenant's name begins with a dot."""
    return work.home / "data/apps/.trash" / f"{work.tenant}.{trash}"


def put_aside(work: Work, trash: str, *, data: bool) -> None:
    """Move a deleted app's releases, and its data where that was named, aside. Blocks."""
    source, target = work.home / "data/apps" / work.tenant / work.app, aside(work, trash)
    with _told():
        for folder in (target.parent, target):
            folder.mkdir(mode=0o700, exist_ok=True)
        _move(source, target, ("releases", *(DATA if data else ())))


async def weigh(work: Work, trash: str) -> None:
    """Write down what the data of a deleted app really takes, instead of what it might have grown to."""
    octets = sum([await asyncio.to_thread(size, aside(work, trash) / name) for name in DATA])
    with suppress(NotFoundError):  # it is on its way back, or gone
        record = await work.store.get(Trash, work.tenant, trash)
        disk_mb = -(-octets >> 20) if record.spec.data else 0
        with suppress(ConflictError):
            spec = replace(record.spec, disk_mb=disk_mb)
            await work.store.put(work.who, f"{disk_mb} MiB", work.tenant, trash, spec, expect=record.version)


async def bring_back(work: Work, trash: str) -> str:
    """Move the folders of an undeleted app back, and let it run as it did; return what became of it, as a sentence."""
    try:
        record = await work.store.get(Trash, work.tenant, trash)
    except NotFoundError:
        return "It is back already."
    await asyncio.to_thread(_return, work, trash)

    async def attempt() -> None:
        picture = await take(work.store, work.site, work.tenant, work.app)
        live = picture.live() & picture.releases.keys()
        operations = [*plan.settle(picture, live), *routes(picture, {}), *recurring.changes(picture)]
        await work.store.change(
            work.who, f"{work.app} is back", [*operations, Delete(Trash.KIND, work.tenant, trash, record.version)]
        )

    await again(attempt)
    await asyncio.to_thread(clear, aside(work, trash))
    return f"{work.app} is back."


async def purge(work: Work, trash: str) -> str:
    """Clear what is kept of a deleted app, unless it is on its way back; return what was done, as a sentence."""
    blobs: tuple[str, ...] = ()
    try:
        record: Record[Trash] = await work.store.get(Trash, work.tenant, trash)
    except NotFoundError:
        pass  # an earlier, killed run of this came so far, or it came back, and its folder is where it was
    else:
        if record.spec.state != "kept":
            return "It is on its way back."
        blobs = record.spec.blobs
        gone = Delete(Trash.KIND, work.tenant, trash, record.version)
        await work.store.change(work.who, f"{work.app} is gone for good", [gone])
    await asyncio.to_thread(clear, aside(work, trash))
    with suppress(NotFoundError):  # no app: nothing of it
        await prune.sweep(work, patient=False)
    await prune.unload(work, blobs)
    return "It is gone for good."


def _return(work: Work, trash: str) -> None:
    source, target = aside(work, trash), work.home / "data/apps" / work.tenant / work.app
    if not source.is_dir():
        return
    with _told():
        for folder in (target.parent, target):
            folder.mkdir(mode=0o711, exist_ok=True)
            folder.chmod(0o711)
        _move(source, target, ("releases", *DATA))


def size(path: Path) -> int:
    """Return the octets on disk of a file, or of all below a folder. Blocks."""
    return measure(path) if path.is_dir() else path.stat().st_blocks * 512 if path.is_file() else 0


@contextmanager
def _told() -> Iterator[None]:
    """Say as an error of the house what a host may refuse; what was not moved is where it was."""
    try:
        yield
    except ConflictError as error:
        raise FailedError(error.public) from error
    except OSError as error:
        raise ExhaustedError(f"The host can't move its folders: {error.strerror}.", temporary=True) from error


def _move(source: Path, target: Path, names: tuple[str, ...]) -> None:
    """Rename folders and files, each whole or not at all; those that are moved already are left where they are."""
    for name in names:
        old, new = source / name, target / name
        if not old.exists():
            continue
        if device(old):
            raise ConflictError(f"{old} is in use.")
        if new.is_file() or (new.is_dir() and any(new.iterdir())):
            raise ConflictError(f"{new} holds what another app of that name left: move it away first.")
        old.rename(new)
