"""SIGKILL at bots under load: nothing lost, nothing twice at once, no channel out of order, every re-run explained."""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import signal
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

import pytest

from serai.errors import ExhaustedError
from serai.store import NewTask
from serai.store.open import open_store
from serai.store.tasks import Filter
from serai.tasks import Registry, Tasks, task
from serai.tasks.bot import Bot, BotSettings
from serai.tasks.clock import ClockSettings, TaskClock

SCRIPT = Path(__file__).with_name("bot_process.py")
QUICK = ClockSettings(lease=1.5)


class Bots:
    """Processes that are killed and started again."""

    def __init__(self, folder: Path, count: int) -> None:
        self.folder = folder
        self.killed: dict[int, float] = {}  # pid to the time after which it can't have done anything
        self.processes = [self.start(n) for n in range(count)]

    def start(self, number: int) -> subprocess.Popen[bytes]:
        arguments = [str(self.folder / "store.db"), str(self.folder / "ledger"), f"bot{number}"]
        return subprocess.Popen([sys.executable, str(SCRIPT), *arguments])

    def kill(self, number: int) -> None:
        process = self.processes[number]
        process.kill()
        process.wait()
        self.killed[process.pid] = time.monotonic()
        self.processes[number] = self.start(number)

    def revive(self) -> None:
        for number, process in enumerate(self.processes):
            if process.poll() is not None:
                self.killed[process.pid] = time.monotonic()
                self.processes[number] = self.start(number)

    def end(self) -> None:
        for process in self.processes:
            process.send_signal(signal.SIGKILL)
            process.wait()


async def over(tasks: Tasks, bots: Bots, seconds: float) -> None:
    async with asyncio.timeout(seconds):
        while any([await tasks.find(Filter(state=s, limit=1)) for s in ("to_do", "is_processing", "to_cancel")]):
            bots.revive()
            await asyncio.sleep(0.05)


def runs_of(ledger: Path, killed: dict[int, float]) -> dict[str, list[tuple[float, float]]]:
    """Return when each task ran, by task; a run of a killed process ends with that process at the latest."""
    begun: dict[tuple[str, str], tuple[int, float]] = {}
    runs: defaultdict[str, list[tuple[float, float]]] = defaultdict(list)
    for line in ledger.read_text().splitlines():
        what, identity, run, pid, when = line.split()
        if what == "begin":
            begun[identity, run] = (int(pid), float(when))
        else:
            runs[identity].append((begun.pop((identity, run))[1], float(when)))
    for (identity, _), (pid, when) in begun.items():
        runs[identity].append((when, killed[pid]))
    return runs


@pytest.mark.timeout(100)
async def test_bots_killed_under_load_lose_nothing_and_run_nothing_twice_at_once(tmp_path: Path) -> None:
    chance = random.Random(7)
    store = open_store(tmp_path / "store.db")
    tasks = Tasks(store)
    new = [
        NewTask(function="step", arguments={"seconds": chance.uniform(0, 0.1)}, channel=f"c{n % 5}" if n % 2 else "")
        for n in range(160)
    ]
    new += [NewTask(function="blink", tenant=f"t{n % 3}") for n in range(240)]
    await store.change("user:x", "load", new)
    bots = Bots(tmp_path, 3)
    ticking = asyncio.create_task(TaskClock(store, settings=QUICK).run())
    try:
        for _ in range(6):
            await asyncio.sleep(chance.uniform(0.3, 0.9))
            await asyncio.to_thread(bots.kill, chance.randrange(3))
        await over(tasks, bots, 60)
    finally:
        ticking.cancel()
        bots.end()
    listed = await tasks.find(Filter(limit=1000))
    assert {t.state for t in listed} == {"done"}
    assert len(listed) == 400
    runs = runs_of(tmp_path / "ledger", bots.killed)
    assert set(runs) == {t.id for t in listed}
    for each in listed:
        spans = sorted(runs[each.id])
        assert all(end <= start for (_, end), (start, _) in itertools.pairwise(spans)), each.id
        losses = [line for line in await tasks.story(each.id) if "lease lost" in line.why]
        assert each.run - 1 == len(losses) + handed_back(await tasks.story(each.id))
    for channel in range(5):
        ordered = sorted((t for t in listed if t.channel == f"c{channel}"), key=lambda t: t.number)
        last_ends = [max(end for _, end in runs[t.id]) for t in ordered]
        assert last_ends == sorted(last_ends), "a channel ran out of order"
    await store.close()


def handed_back(story) -> int:
    return sum("handed back" in line.why for line in story)


@pytest.mark.timeout(60)
async def test_a_task_that_kills_its_process_ends_in_error_and_the_rest_goes_on(tmp_path: Path) -> None:
    store = open_store(tmp_path / "store.db")
    tasks = Tasks(store)
    poison = await tasks.add("user:x", NewTask(function="poison"))
    others = [await tasks.add("user:x", NewTask(function="step", arguments={"seconds": 0.01})) for _ in range(5)]
    bots = Bots(tmp_path, 2)
    ticking = asyncio.create_task(TaskClock(store, settings=QUICK).run())
    try:
        await over(tasks, bots, 50)
    finally:
        ticking.cancel()
        bots.end()
    dead = await tasks.get(poison)
    assert (dead.state, dead.run, dead.lost) == ("error", 3, 3)
    assert "3 bots died" in dead.error["public"]
    assert {(await tasks.get(other)).state for other in others} <= {"done", "error"}
    await store.close()


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small file system")
async def test_a_full_disk_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none", str(disk)], check=False)
    if mounted.returncode:
        pytest.skip("mount is not allowed here")
    try:
        await fill_and_go_on(disk)
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


async def fill_and_go_on(disk: Path) -> None:
    @task("f")
    async def f(ctx, arguments) -> None: ...

    store = open_store(disk / "store.db")
    tasks = Tasks(store)
    bot = Bot(store, None, Registry({"f": f}), settings=BotSettings(poll=0.1, lease=30))
    kept: list[str] = []
    with pytest.raises(ExhaustedError):
        await fill(tasks, kept)
    working = asyncio.create_task(bot.run())
    async with asyncio.timeout(10):
        while not bot.trouble:
            await asyncio.sleep(0.01)
    subprocess.run(["mount", "-o", "remount,size=32m", str(disk)], check=True)
    for identity in kept:
        assert (await tasks.wait(identity, 20)).state == "done"
    assert {t.id for t in await tasks.find(Filter(limit=1000))} == set(kept)
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    await store.close()


async def fill(tasks: Tasks, kept: list[str]) -> None:
    while True:
        kept.append(await tasks.add("user:x", NewTask(function="f", arguments={"x": "x" * 20_000})))
