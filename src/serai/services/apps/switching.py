"""The moment a release goes live, and what becomes of the one before it."""

from __future__ import annotations

import asyncio

from msgspec.structs import replace

from serai.cloud.descriptors import Instance
from serai.errors import ExhaustedError
from serai.services.apps import doorstep, plan, quota, recurring
from serai.services.apps.descriptors import App
from serai.services.apps.folders import put_aside, weigh
from serai.services.apps.picture import Picture, again, take
from serai.services.apps.reconcile import DRAIN
from serai.services.apps.running import pool
from serai.services.apps.seal import clear
from serai.services.apps.steps import FailedError, fail, routes
from serai.services.apps.work import Work, until
from serai.store import Operation, Put, Record

#: How many earlier releases an environment remembers, for rolling back.
REMEMBERED = 20
LEEWAY = 20.0  # seconds that the agent may need besides draining


async def switch(work: Work, number: int, environment: str, *, back: bool = False) -> str:
    """Let an environment show a release: app, releases, all its Routes and Schedules change in one transaction.

    ``back`` takes the release off what the environment showed before, so that the next rollback goes further back.
    """

    async def attempt() -> str:
        picture = await take(work.store, work.site, work.tenant, work.app)
        record = picture.releases.get(number)
        if record is None or record.spec.state == "failed" or not record.spec.built:
            return "The release has failed before."
        app = _live(picture.app.spec, environment, number, back=back)
        live = set(app.live.values())
        changed = replace(picture, app=replace(picture.app, spec=app))
        operations: list[Operation] = []
        if app != picture.app.spec:
            try:
                room = await quota.admit(work.store, work.tenant, {work.app: app})
            except ExhaustedError as error:
                # Another app took the room while this release started.
                await fail(work, number, error.public)
                raise FailedError(error.public) from error
            operations += [room, Put(work.tenant, work.app, app, picture.app.version)]
        releases = {}
        for other, old in picture.releases.items():
            state = "live" if other in live else "built"
            if old.spec.state in {"built", "live"} and old.spec.state != state:
                releases[other] = replace(old.spec, state=state, reason="", tail="")
                operations.append(Put(work.tenant, old.name, releases[other], old.version))
        operations += routes(changed, releases)
        operations += recurring.changes(changed)
        # Workers of the new release begin now; those of the old one, and its instances, end with `drain`.
        for process in record.spec.processes:
            missing = plan.count(app, record.spec, process) - len(plan.alive(picture, number, process))
            operations += plan.add(changed, number, process, max(0, missing))
        if operations:
            await work.store.change(work.who, f"{environment} of {work.app} shows release {number}", operations)
        return f"{environment} shows release {number}."

    return await again(attempt)


def _live(app: App, environment: str, number: int, *, back: bool) -> App:
    old = app.live.get(environment)
    if old == number:
        return app
    before = app.before.get(environment, ())
    if back and before and before[-1] == number:
        before = before[:-1]
    elif old:
        before = (*before, old)[-REMEMBERED:]
    return replace(app, live={**app.live, environment: number}, before={**app.before, environment: before})


async def drain(work: Work) -> str:
    """Give live releases their instances, and let all others finish what they do."""

    async def attempt() -> int:
        picture = await take(work.store, work.site, work.tenant, work.app)
        operations = plan.settle(picture, picture.live() & picture.releases.keys())
        if operations:
            await work.store.change(work.who, f"settle {work.app} on what is live", operations)
        return len(operations)

    return f"{await again(attempt)} instances change."


async def stop(work: Work) -> str:
    """Wait until what drains has ended; what does not is stopped."""

    async def quiet() -> bool:
        return not _ending(await take(work.store, work.site, work.tenant, work.app))

    if await until(quiet, DRAIN + LEEWAY):
        return "All have ended."

    async def attempt() -> int:
        picture = await take(work.store, work.site, work.tenant, work.app)
        operations = plan.retire(_ending(picture), now=True)
        if operations:
            await work.store.change(work.who, f"stop what does not drain of {work.app}", operations)
        return len(operations)

    return f"{await again(attempt)} had to be stopped."


def _ending(picture: Picture) -> list[Record[Instance]]:
    return [one for one in picture.instances if one.spec.wanted != "running"]


async def restart(work: Work) -> str:
    """Renew the instances of live releases: new ones first, and when they serve, the old ones drain."""
    picture = await take(work.store, work.site, work.tenant, work.app)
    old = {one.name for one in picture.instances if one.spec.wanted == "running"}
    live = picture.live() & picture.releases.keys()
    new: list[Put] = []
    for number in sorted(live):
        spec = picture.releases[number].spec
        for process in spec.processes:
            new += plan.add(picture, number, process, plan.count(picture.app.spec, spec, process))
    if not new:
        return "Nothing runs."
    await work.store.change(work.who, f"renew the instances of {work.app}", new)
    names = {put.name for put in new}
    seconds = max(picture.releases[number].spec.health.start for number in live) + LEEWAY
    states: set[str] = set()

    async def known() -> bool:
        latest = await take(work.store, work.site, work.tenant, work.app)
        states.clear()
        states.update(one.spec.state for one in latest.instances if one.name in names)
        return states == {"ready"} or "failed" in states

    await until(known, seconds)
    served = states == {"ready"}

    async def attempt() -> None:
        latest = await take(work.store, work.site, work.tenant, work.app)
        leaving = old if served else names
        operations = plan.retire((one for one in latest.instances if one.name in leaving), now=not served)
        if operations:
            await work.store.change(work.who, f"retire instances of {work.app}", operations)

    await again(attempt)
    if not served:
        raise FailedError("The new instances did not serve; the old ones stay, with what was set before.")
    return f"{len(names)} instances are new."


async def remove(work: Work, *, data: bool, trash: str = "") -> str:
    """Take away the folders of an app that was deleted, once nothing of it runs; its data only where it was named.

    What can't be had again is moved aside under the name ``trash``, where there is one.
    """
    prefix = f"app.{work.tenant}.{work.app}."
    # Its tasks have nothing left to run in; what instances do is the agent's to end.
    for handle in await work.driver.recover():
        if handle.id.startswith(f"{pool.KIND}.{work.tenant}.{work.app}."):
            await work.driver.stop(handle, grace=0)
            await work.driver.remove(handle)

    async def quiet() -> bool:
        return not any(handle.id.startswith(prefix) for handle in await work.driver.recover())

    if not await until(quiet, DRAIN + LEEWAY):
        raise FailedError("Some of its instances still run.")
    folder = work.home / "data/apps" / work.tenant / work.app
    await work.driver.discard(folder / "data", forever=data and not trash)
    if trash:
        await asyncio.to_thread(put_aside, work, trash, data=data)
        await weigh(work, trash)
    for name in ("releases", "cache", "logs"):
        await asyncio.to_thread(clear, folder / name)
    await asyncio.to_thread(clear, doorstep.path(work.home, work.tenant, work.app))
    if data:
        await asyncio.to_thread(clear, folder)
    return "Its folders are gone." if data else "Its folders are gone; its data stays."
