"""Commands that run once in the context of a release, with its data, beside its instances."""

from __future__ import annotations

from serai.errors import InvalidError, NotFoundError
from serai.services.apps import launch, variables
from serai.services.apps.descriptors import Command, Release
from serai.services.apps.work import Room, Work, run, shown


async def recurring(work: Work, number: int, name: str) -> str:
    """Run a recurring command of a release; return its last lines. `InvalidError` where it fails."""
    release = (await work.store.get(Release, work.tenant, f"{work.app}.{number}")).spec
    if name not in release.recurring:
        raise NotFoundError(f"Release {number} has no recurring command {name}.", command=name)
    return await command(work, release, f"recurring.{name}", release.recurring[name])


async def command(work: Work, release: Release, name: str, what: Command) -> str:
    """Run a command; return its last lines. `InvalidError` with ``tail`` where it does not exit with 0.

    `ExhaustedError` where it writes more than the app's data may take, and nothing but measuring prevents it.
    """
    spec, _ = await variables.stored(work.store, work.tenant, work.app)
    told = variables.told(work.home, spec, work.tenant, work.app)
    where = await work.place(release.data_mb)
    full = f"{work.app}.{release.number}.{name}"
    workload = launch.once(where, told, release, full, what.argv, what.env)
    room = None
    if not work.driver.hard:
        # Who holds too much already may still run what clears it up; and what was just written may grow by a few blocks
        # once the file system lays it out.
        used = await work.driver.data_used(where.data)
        room = Room((where.data,), max(release.data_mb, (used >> 20) + 1))
    ended, lines = await run(work, workload, what.timeout, where.folder / "logs" / f"{full}.log", room)
    if ended.reason == "out_of_memory":
        raise InvalidError(f"It needs more than {workload.limits.memory_mb} MiB.", tail=shown(lines))
    if ended.code != 0:
        raise InvalidError(f"It ended with status {ended.code}.", tail=shown(lines))
    return shown(lines)
