"""The program that runs an application's tasks, told to stop at the worst of moments; without a sandbox around it."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from serai.cloud.drivers import Exit, Handle, Limits, Workload
from serai.errors import UnavailableError
from serai.services.apps import launchers
from serai.services.apps.running.runner import Report, Runner
from serai.services.apps.running.wire import Door, Frames, Output
from serai.tasks.outcome import KilledError

WAIT = 30.0
PROGRAM = Path(launchers.__file__).parent / "serai_runner"
JOBS = "import time\ndef nap(): time.sleep(600)\n"
WORK = {
    "function": {"do": "call", "call": "jobs:nap", "args": [], "kwargs": {}},
    "command": {"do": "run", "argv": ["sleep", "600"], "arguments": None},
}


@asynccontextmanager
async def started(folder: Path) -> AsyncIterator[tuple[Frames, asyncio.subprocess.Process]]:
    """Start it on a folder, and be its bot."""
    door = Door(folder, None)
    process = await asyncio.create_subprocess_exec(sys.executable, str(PROGRAM), str(folder / "bot.sock"), cwd=folder)
    output = Output()
    try:
        async with asyncio.timeout(WAIT):
            frames = await Frames.greet(await door.accept(), output.writer)
        yield frames, process
        frames.close()
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        output.close()


@pytest.mark.parametrize("kind", list(WORK))
async def test_a_task_that_is_cancelled_before_it_has_begun_does_not_run(tmp_path: Path, kind: str) -> None:
    (tmp_path / "jobs.py").write_text(JOBS)
    for _ in range(20):
        async with started(tmp_path) as (frames, _process):
            await frames.send({**WORK[kind], "id": "1", "attempt": 1})
            await frames.send({"do": "cancel"})
            async with asyncio.timeout(WAIT):
                assert await frames.receive() == {"canceled": True}


class Plain:
    """A driver without a sandbox, of one program."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process: asyncio.subprocess.Process | None = None

    async def start(self, workload: Workload) -> Handle:
        """Start the program, at the folder that its last mount shows."""
        socket = workload.mounts[-1].source / "bot.sock"
        self.process = await asyncio.create_subprocess_exec(sys.executable, str(PROGRAM), str(socket), cwd=self.folder)
        return Handle(
            id=workload.id, driver="plain", pid=self.process.pid, started=1, folder=self.folder,
            connector=self.folder / "c", log=self.folder / "log",
        )  # fmt: skip

    async def wait(self, _handle: Handle) -> Exit:
        """Return when it has ended."""
        assert self.process is not None
        return Exit(code=await self.process.wait(), reason="exited", when=0.0)

    async def stop(self, handle: Handle, *, grace: float) -> Exit:
        """Kill it."""
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        return await self.wait(handle)

    async def remove(self, _handle: Handle) -> None:
        """Leave nothing: there is nothing."""


async def test_a_program_that_does_not_even_read_is_killed_in_time(tmp_path: Path) -> None:
    """What it is told waits in the socket, and the bot must not wait for that."""
    (tmp_path / "jobs.py").write_text(JOBS)
    driver: Any = Plain(tmp_path)
    workload = Workload(id="work.demo.shop.1", uid=None, argv=("x",), limits=Limits(memory_mb=64))
    runner = Runner(driver, workload, tmp_path / "runner")
    async with asyncio.timeout(WAIT):
        await runner.start()
    driver.process.send_signal(signal.SIGSTOP)
    large = {**WORK["function"], "id": "1", "attempt": 1, "args": ["x" * (1 << 20)]}
    nothing: Any = lambda *_: None  # noqa: E731 - nobody is told here
    running = asyncio.create_task(runner.run(large, Report(nothing, nothing), 0.2))
    await asyncio.sleep(0.2)  # it is written as far as the socket takes it
    running.cancel()
    async with asyncio.timeout(WAIT):
        with pytest.raises(KilledError):
            await running
    assert driver.process.returncode == -signal.SIGKILL


async def test_nobody_listens_any_more_to_a_program_that_never_came(tmp_path: Path) -> None:
    """A socket that was closed while somebody waited at it made the next one of its number deaf."""
    driver: Any = Plain(tmp_path)

    async def nothing(_workload: Workload) -> Handle:
        driver.process = await asyncio.create_subprocess_exec("sleep", "600")
        return Handle(
            id="work.x", driver="plain", pid=driver.process.pid, started=1, folder=tmp_path, connector=tmp_path / "c",
            log=tmp_path / "log",
        )  # fmt: skip

    driver.start = nothing
    workload = Workload(id="work.demo.shop.1", uid=None, argv=("x",), limits=Limits(memory_mb=64))
    before = asyncio.all_tasks()
    starting = asyncio.create_task(Runner(driver, workload, tmp_path / "runner").start())
    while driver.process is None:
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    starting.cancel()
    with pytest.raises((asyncio.CancelledError, UnavailableError)):
        async with asyncio.timeout(WAIT):
            await starting
    assert {one for one in asyncio.all_tasks() if not one.done()} <= before
