"""From an uploaded blob to a release's folder: unpack, look, run the plan's steps in a sandbox, seal."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec

from serai.cloud.drivers import Limits, Mount, Workload
from serai.errors import DeadlineError, ExhaustedError, InvalidError
from serai.services.apps import outputs
from serai.services.apps.launch import Place, workload_id
from serai.services.apps.manifest import Manifest
from serai.services.apps.recipes import contract, find, runtimes
from serai.services.apps.recipes.contract import BuildPlan, Step
from serai.services.apps.recipes.folder import Folder
from serai.services.apps.seal import clear, hand_over, seal
from serai.services.apps.unpack import Bounds, unpack
from serai.services.apps.work import Room, Work, run, shown

#: A build takes what the running applications leave of a busy CPU.
WEIGHT = 10
MEMORY_MB, PROCESSES, TMP_MB = 2048, 512, 1024
DISK_MB = 10240  # of the release's folder and of what its tools keep for the next build; `seal` looks more closely


class BuildError(InvalidError):
    """A release can't be made of that; ``tail`` shows the end of what the failing step wrote."""

    def __init__(self, public: str, tail: str = "") -> None:
        super().__init__(public)
        self.tail = tail


class Built(msgspec.Struct, frozen=True):
    """What a build found and made."""

    manifest: Manifest
    plan: BuildPlan
    folder: Path


async def build(work: Work, where: Place, number: int, blob: str) -> Built:
    """Make the folder of a release; it is there as a whole or not at all. Safe to begin again after a crash.

    Raises `BuildError` where the program is at fault, other `SeraiError` where the platform is.
    """
    folder, partial = where.release(number), where.folder / "releases" / f"{number}.partial"
    for old in (folder, partial):
        await asyncio.to_thread(clear, old)
    partial.mkdir(mode=0o700)
    try:
        manifest, plan = await _look(work, partial, blob)
        await _steps(work, where, number, partial, manifest, plan)
        work.tell(0.95, "Seal")
        await asyncio.to_thread(seal, partial, where.uid, open_to_edge=bool(plan.static))
        partial.rename(folder)
    except BaseException:
        await asyncio.shield(asyncio.to_thread(clear, partial))
        raise
    return Built(manifest, plan, folder)


async def _look(work: Work, folder: Path, blob: str) -> tuple[Manifest, BuildPlan]:
    work.tell(0.02, "Unpack")
    try:
        stream = work.blobs(blob).open("rb")
    except FileNotFoundError as error:
        raise BuildError("Its upload is gone: deploy the folder again.") from error
    with stream:
        count = await asyncio.to_thread(unpack, stream, folder, Bounds())
    work.note(f"Unpacked {count} entries.")
    work.tell(0.08, "Look")
    manifest, match, plan = await asyncio.to_thread(_plan, folder, work.home)
    work.note(f"{match.recipe}: {match.why}")
    for note in plan.notes:
        work.note(note)
    return manifest, plan


def _plan(folder: Path, home: Path) -> tuple[Manifest, contract.Match, BuildPlan]:
    return find.plan(Folder(folder), runtimes.discover(home))


async def _steps(work: Work, where: Place, number: int, folder: Path, manifest: Manifest, plan: BuildPlan) -> None:
    if not plan.steps:
        return
    cache = outputs.Cache(where.cache, plan)
    have = await cache.take(folder)
    await asyncio.to_thread(hand_over, folder, where.uid)
    await asyncio.to_thread(cache.furnish, where.uid)
    todo = [step for step in plan.steps if not (have and step.cached)]
    if have:
        work.note("Dependencies are as in an earlier build: taken from its cache.")
    room = Room((folder, where.cache / outputs.TOOLS), DISK_MB)
    cached = [step for step in todo if step.cached]
    for index, step in enumerate(todo):
        work.tell(0.1 + 0.8 * index / len(todo), step.title)
        work.note(f"--- {step.title}")
        workload = _workload(where, number, index, folder, step, manifest, plan)
        await _step(work, workload, manifest, step, where.folder / "logs" / f"build.{number}.log", room)
        if cached and step is cached[-1]:
            await cache.keep(folder)


async def _step(work: Work, workload: Workload, manifest: Manifest, step: Step, archive: Path, room: Room) -> None:
    try:
        ended, lines = await run(work, workload, manifest.build.timeout_seconds, archive, room)
    except (DeadlineError, ExhaustedError, InvalidError) as error:
        raise BuildError(f"{step.title}: {error.public}") from error
    if ended.reason == "out_of_memory":
        raise BuildError(f"{step.title}: it needs more than {workload.limits.memory_mb} MiB.", shown(lines))
    if ended.code != 0:
        raise BuildError(f"{step.title}: it ended with status {ended.code}.", shown(lines))


def _workload(
    where: Place, number: int, index: int, folder: Path, step: Step, manifest: Manifest, plan: BuildPlan
) -> Workload:
    return Workload(
        id=workload_id("build", where.tenant, f"{where.app}.{number}.{index}"),
        uid=where.uid,
        argv=step.argv,
        env={**contract.BUILD_ENV, **plan.env, **step.env},
        cwd=contract.APP,
        mounts=(
            Mount(folder, contract.APP, writable=True),
            Mount(where.cache / outputs.TOOLS, contract.CACHE, writable=True),
            *runtimes.tools(),
            *plan.mounts,
        ),
        limits=Limits(
            memory_mb=manifest.build.memory_mb or MEMORY_MB,
            cpu=2.0,
            processes=PROCESSES,
            tmp_mb=TMP_MB,
            weight=WEIGHT,
        ),
        network="egress" if step.network else "private",
        build=True,
    )
