"""What the steps of a deployment have at hand, whoever runs them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec

from serai.cloud.drivers import Driver, Exit, Handle, Workload
from serai.cloud.volumes import measure
from serai.errors import DeadlineError, ExhaustedError, NotFoundError
from serai.identity.descriptors import Tenant
from serai.services.apps import hosting, logs
from serai.services.apps.addresses import Site
from serai.services.apps.hosting import SharedDriver
from serai.services.apps.launch import Place
from serai.services.apps.place import furnish, place, uid_of
from serai.store import Store
from serai.store.blobs import Blobs
from serai.tasks import TaskContext

#: Seconds between two looks at something that is waited for.
PAUSE = 0.05
LOOK = 1.0  # seconds between two measurements of what a workload wrote
SHARE = 10  # at most one part in so many of the time is spent on measuring
TAIL = 40  # lines of a log that explain a failure
MAX_TAIL = 8192  # characters


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """A task at work on one app: ``who`` it is in the history, where it is, whom it tells how it goes.

    ``tell`` takes the progress (0 to 1) and a sentence, ``note`` a line for the task's log.
    """

    store: Store
    blobs: Callable[[str], Path]  # a blob's file, by its ID
    site: Site
    home: Path
    driver: SharedDriver
    who: str
    tenant: str
    app: str
    tell: Callable[[float, str], None]
    note: Callable[[str], None]

    async def place(self, data_mb: int = 0) -> Place:
        """Return the app's place on this host, with its folders made; those for data where their size is given."""
        tenant = (await self.store.get(Tenant, self.tenant, self.tenant)).spec
        where = place(self.home, self.site, self.tenant, self.app, uid_of(self.home, tenant))
        if data_mb:
            await self.driver.prepare(where, data_mb)
        else:
            await asyncio.to_thread(furnish, where)
        return where


def work_of(ctx: TaskContext, tenant: str, app: str) -> Work:
    """Return what a task on an app works with; the bot that runs it offers ``home``, ``host`` and ``base``."""
    home = Path(ctx.resources["home"])
    return Work(
        store=ctx.store,
        blobs=Blobs(home / "data/blobs").path,
        site=Site(str(ctx.resources["host"]), str(ctx.resources["base"])),
        home=home,
        driver=hosting.driver(home),
        who=ctx.who,
        tenant=tenant,
        app=app,
        tell=ctx.progress,
        note=ctx.log,
    )


class Room(msgspec.Struct, frozen=True):
    """What the folders that a workload writes to may hold together while it runs, in MiB."""

    folders: tuple[Path, ...]
    size_mb: int


async def run(
    work: Work,
    workload: Workload,
    seconds: float,
    archive: Path,
    room: Room | None = None,
    started: Callable[[Handle], Awaitable[None]] | None = None,
) -> tuple[Exit, list[str]]:
    """Run a workload to its end; return how it ended and its last lines. Its log goes to ``archive``.

    Each line is noted as it comes. `DeadlineError` after ``seconds``, `ExhaustedError` beyond its ``room``; nothing of
    it is alive afterwards, whatever happens. What an earlier, killed run of the same step left is ended first.
    ``started`` is called once it runs.
    """
    for handle in await work.driver.recover():
        if handle.id == workload.id:
            await _clear(work.driver, handle)
    handle = await work.driver.start(workload)
    try:
        async with asyncio.timeout(seconds):
            if started is not None:
                await started(handle)
            ended = await _followed(work, handle, room)
    except TimeoutError as error:
        raise DeadlineError(f"It took longer than {seconds:g} s.", temporary=False) from error
    finally:
        await asyncio.shield(_put_away(work.driver, handle, archive))
    return ended, list(logs.tail(logs.Source("", archive), TAIL).lines)


async def _followed(work: Work, handle: Handle, room: Room | None) -> Exit:
    source, cursor = logs.Source(handle.id, handle.log), logs.Cursor(0, 0)
    waiting = asyncio.ensure_future(work.driver.wait(handle))
    watching = asyncio.ensure_future(_watch(room))
    try:
        while True:
            done, _ = await asyncio.wait({waiting, watching}, timeout=PAUSE, return_when=asyncio.FIRST_COMPLETED)
            while (piece := await asyncio.to_thread(logs.read, source, cursor)).lines:
                cursor = piece.cursor
                for line in piece.lines:
                    work.note(plain(line))
            if waiting in done:
                return waiting.result()
            if watching in done:
                watching.result()
    finally:
        waiting.cancel()
        watching.cancel()


async def _watch(room: Room | None) -> None:
    """Raise `ExhaustedError` once the folders hold more than they may; wait for ever where nobody minds."""
    while room is not None:
        begin = time.monotonic()
        octets = sum([await asyncio.to_thread(measure, folder) for folder in room.folders])
        if octets > room.size_mb << 20:
            raise ExhaustedError(f"It wrote more than the {room.size_mb} MiB that it may.")
        await asyncio.sleep(max(LOOK, SHARE * (time.monotonic() - begin)))
    await asyncio.get_running_loop().create_future()


def plain(line: str) -> str:
    """Return a line of a driver's log without its head (``TIME STREAM F|P``)."""
    parts = line.split(" ", 3)
    return parts[3] if len(parts) == 4 and parts[1] in {"stdout", "stderr"} else line


def shown(lines: list[str]) -> str:
    """Return the end of a log as a text that a descriptor may hold."""
    text = "\n".join(plain(line)[:1000] for line in lines)
    return "".join(one for one in text[-MAX_TAIL:] if one in "\n\t" or one.isprintable())


async def _put_away(driver: Driver, handle: Handle, archive: Path) -> None:
    await driver.stop(handle, grace=0)
    await asyncio.to_thread(logs.keep, handle.log, archive)
    await driver.remove(handle)


async def _clear(driver: Driver, handle: Handle) -> None:
    await driver.stop(handle, grace=0)
    await driver.remove(handle)


async def until(happened: Callable[[], Awaitable[bool]], seconds: float) -> bool:
    """Look again and again until it happened; return whether it did within ``seconds``."""
    try:
        async with asyncio.timeout(seconds):
            while True:
                if await happened():
                    return True
                await asyncio.sleep(PAUSE)
    except TimeoutError:
        return False


async def log_of(work: Work, release: int) -> list[str]:
    """Return the last lines that any instance of a release wrote, running or gone."""
    prefix = f"app.{work.tenant}.{work.app}.{release}."
    for handle in await work.driver.recover():
        if handle.id.startswith(prefix) and (piece := logs.tail(logs.Source("", handle.log), TAIL)).lines:
            return list(piece.lines)
    try:
        where = await work.place()
    except NotFoundError:
        return []
    for source in logs.archived(where.folder / "logs"):
        if source.name.startswith(f"{work.app}.{release}."):
            return list(logs.tail(source, TAIL).lines)
    return []
