"""What kills its bot, and a disk that is full."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from serai.errors import ExhaustedError
from serai.store import NewTask
from serai.store.open import open_store
from serai.store.tasks import Filter
from serai.tasks import Registry, Tasks, task
from serai.tasks.bot import Bot, BotSettings

sys.path.append(str(Path(__file__).parent))
import matrix

pytestmark = pytest.mark.xdist_group("timed")  # one at a time: leases must be kept by who is well


@pytest.mark.timeout(matrix.STUCK + 60)
async def test_a_task_that_kills_its_process_ends_in_error_and_the_rest_goes_on(tmp_path: Path) -> None:
    store = open_store(tmp_path / "store.db")
    tasks = Tasks(store)
    poison = await tasks.add("user:x", NewTask(function="poison"))
    others = [await tasks.add("user:x", NewTask(function="step", arguments={"seconds": 0.01})) for _ in range(5)]
    machine = matrix.Machine(tmp_path, bots=2)
    try:
        await matrix.torment(store, machine, random.Random(1), hurts=0)
    finally:
        machine.end()
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
