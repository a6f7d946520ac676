"""The power fails: what was acknowledged is there, and what had just begun begins again.

The disk is what was there at the last sync: so all that a claim may lose is lost.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from serai.store import NewTask, Store
from serai.store.open import open_store
from serai.store.tasks import Filter
from serai.tasks import Registry, TaskContext, TaskFunction, Tasks, task
from serai.tasks.bot import Bot, BotSettings

WAIT = 20.0  # seconds that anything here may take, on a machine that has other things to do as well
#: Claims a task as a bot does, and is killed before the disk was waited for.
VICTIM = """
import asyncio, os, signal, sys
from serai.store.open import open_store
from serai.store.tasks import Want

async def main():
    driver = open_store(sys.argv[1]).driver
    await driver.write(lambda tx: driver.tasks.enlist(tx, "victim", ["any"], now=1.0))
    want = Want(queues=("any",), slots=1)
    got = driver.write_here(lambda tx: driver.tasks.exchange(tx, "victim", [], want, now=2.0))
    assert len(got.claimed) == 1
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


class Disk:
    """What of a store would be there if the power failed now; a ``lazy`` one syncs only what somebody waits for."""

    def __init__(self, path: Path, patch: pytest.MonkeyPatch, *, lazy: bool) -> None:
        self._path = path
        self._lazy = lazy
        self._kept = path.with_name("kept")
        self._failed = 0
        self._lock = threading.Lock()
        self._sync = os.fdatasync
        patch.setattr(os, "fdatasync", self._synced)

    def fail(self) -> Path:
        """Return the store as it is when the power is back."""
        with self._lock:
            self._failed += 1
            return Path(shutil.copytree(self._kept, self._path.with_name(f"power{self._failed}"))) / self._path.name

    def _synced(self, descriptor: int) -> None:
        if self._lazy and threading.current_thread().name == "store-settler":
            return
        with self._lock:
            shutil.rmtree(self._kept, ignore_errors=True)
            self._kept.mkdir()
            for name in (self._path.name, f"{self._path.name}-wal"):
                shutil.copyfile(self._path.with_name(name), self._kept / name)
            self._sync(descriptor)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
async def opened() -> AsyncIterator[Callable[[Path], Store]]:
    stores: list[Store] = []

    def open_it(path: Path) -> Store:
        stores.append(open_store(path))
        return stores[-1]

    yield open_it
    for store in stores:
        await store.close()


@pytest.fixture
async def work() -> AsyncIterator[Callable[[Store, TaskFunction], Bot]]:
    running: list[asyncio.Task[None]] = []

    def start(store: Store, function: TaskFunction) -> Bot:
        settings = BotSettings(poll=0.05, lease=60, drain=0.1, stop=0.1)
        bot = Bot(store, None, Registry({function.name: function}), settings=settings)
        running.append(asyncio.create_task(bot.run()))
        return bot

    yield start
    for each in running:
        each.cancel()
    await asyncio.gather(*running, return_exceptions=True)


async def until(happened: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT):
        while not happened():
            await asyncio.sleep(0.005)


async def test_a_function_begins_before_the_disk_knows_and_begins_again_after_the_power_failed(
    path, opened, work, monkeypatch
) -> None:
    disk, begun, go = Disk(path, monkeypatch, lazy=True), asyncio.Event(), asyncio.Event()

    @task("slow")
    async def slow(_ctx: TaskContext, _arguments: dict[str, Any]) -> str:
        begun.set()
        await go.wait()
        return "whole"

    store = opened(path)
    identity = await Tasks(store).add("user:x", NewTask(function="slow"))
    work(store, slow)
    await asyncio.wait_for(begun.wait(), WAIT)
    assert (await Tasks(store).get(identity)).state == "is_processing"
    after = opened(disk.fail())
    found = await Tasks(after).get(identity)
    assert (found.state, found.run) == ("to_do", 0)
    go.set()
    work(after, slow)
    done = await Tasks(after).wait(identity, WAIT)
    assert (done.state, done.result, done.run, done.lost) == ("done", "whole", 1, 0)


@pytest.mark.parametrize("short", [True, False])
async def test_what_was_acknowledged_is_there_soon_though_the_power_fails(
    path, opened, work, monkeypatch, short
) -> None:
    disk = Disk(path, monkeypatch, lazy=False)

    @task("quick", short=short)
    async def quick(_ctx: TaskContext, _arguments: dict[str, Any]) -> None: ...

    store = opened(path)
    await store.identity()
    bot = work(store, quick)
    for number in range(1, 6):
        await Tasks(store).add("user:x", NewTask(function="quick"))
        await until(lambda number=number: bot.done == number)
        async with asyncio.timeout(WAIT):
            while len(await Tasks(opened(disk.fail())).find(Filter(state="done"))) < number:
                await asyncio.sleep(0.005)


async def test_a_claim_of_which_the_disk_does_not_know_outlives_its_bot(path, opened) -> None:
    store = opened(path)
    identity = await Tasks(store).add("user:x", NewTask(function="f"))
    victim = subprocess.run([sys.executable, "-c", VICTIM, path], check=False)
    assert victim.returncode == -signal.SIGKILL
    found = await Tasks(store).get(identity)
    assert (found.state, found.run, found.bot) == ("is_processing", 1, "victim")
