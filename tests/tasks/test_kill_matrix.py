"""Bots and the clock, killed and stopped at random under load: nothing lost, nothing twice at once, all in order."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import sys
from pathlib import Path

import pytest

from serai.store import NewTask
from serai.store.cluster.private import private_server
from serai.store.open import open_store
from serai.tasks import Tasks

sys.path.append(str(Path(__file__).parent))
import matrix

pytestmark = pytest.mark.xdist_group("timed")  # one at a time: leases must be kept by who is well


@pytest.mark.timeout(matrix.STUCK + 60)
@pytest.mark.parametrize("engine", ["embedded", "cluster"])
async def test_whatever_dies_or_sleeps_every_task_runs_and_none_twice_at_once(
    tmp_path: Path, engine: str, request: pytest.FixtureRequest
) -> None:
    address = str(tmp_path / "store.db") if engine == "embedded" else request.getfixturevalue("database")()
    chance = random.Random(11)
    store = open_store(address)
    machine = matrix.Machine(tmp_path, bots=2, store=address)
    try:
        inserted = await matrix.torment(store, machine, chance, hurts=10)
    finally:
        machine.end()
    counted = await matrix.verify(Tasks(store), machine)
    await store.close()
    assert counted["tasks"] == inserted >= 200
    assert counted["losses"] > 0, "nobody was hit: this proves nothing"


@pytest.mark.timeout(matrix.STUCK + 60)
async def test_whatever_happens_to_the_database_server_the_same_holds(tmp_path: Path) -> None:
    server = private_server()
    store = open_store(address := server.address(server.database()))
    machine = matrix.Machine(tmp_path, bots=2, store=address)

    def crash() -> str:
        server.stop(signal.SIGQUIT)
        server.start()
        return "PostgreSQL crashed"

    def cut() -> str:
        for pid in children(server.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        return "all connections were cut"

    machine.more = [crash, cut]
    try:
        try:
            await matrix.torment(store, machine, random.Random(5), hurts=10)
        finally:
            machine.end()  # until then somebody may have begun what nobody knows the end of
        counted = await matrix.verify(Tasks(store), machine)
    finally:
        await store.close()
        server.remove()
    assert counted["tasks"] >= 100
    assert any("crashed" in line or "cut" in line for line in machine.killed)


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.timeout(matrix.STUCK + 60)
@pytest.mark.parametrize("function", ["step", "grind", "apart"])
async def test_a_bot_that_sleeps_beyond_its_lease_never_wakes(tmp_path: Path, function: str) -> None:
    store = open_store(tmp_path / "store.db")
    machine = matrix.Machine(tmp_path, bots=1)
    try:
        # So long that on a busy machine, too, the first one still runs when the last one's process has begun.
        arguments = {"seconds": 5.0, "ledger": str(machine.ledger)}
        await store.change("user:x", "", [NewTask(function=function, arguments=arguments) for _ in range(4)])
        async with asyncio.timeout(20):
            while not machine.ledger.exists() or machine.ledger.read_text().count("begin") < 4:
                await asyncio.sleep(0.01)
        sleeper = machine.processes["bot0"]
        machine.stop("bot0", 60.0)
        machine.join("bot1")
        await matrix.torment(store, machine, random.Random(1), hurts=0)
        assert sleeper.poll() == -signal.SIGKILL
    finally:
        machine.end()
    counted = await matrix.verify(Tasks(store), machine)
    # The bot that takes over may lose its lease as well, where nothing lets it send heartbeats.
    assert (counted["tasks"], counted["hurt"]) == (4, 1)
    assert counted["losses"] >= 4
    await store.close()


@pytest.mark.timeout(matrix.STUCK + 60)
async def test_a_bot_that_sleeps_for_less_than_its_lease_keeps_its_tasks(tmp_path: Path) -> None:
    store = open_store(tmp_path / "store.db")
    machine = matrix.Machine(tmp_path, bots=1, lease=4.0)
    try:
        new = [NewTask(function=function, arguments={"seconds": 0.5}) for function in ("step", "grind")]
        await store.change("user:x", "", new)
        async with asyncio.timeout(20):
            while not machine.ledger.exists() or machine.ledger.read_text().count("begin") < 2:
                await asyncio.sleep(0.01)
        machine.stop("bot0", 1.5)
        await matrix.torment(store, machine, random.Random(1), hurts=0)
    finally:
        machine.end()
    assert await matrix.verify(Tasks(store), machine) == {"tasks": 2, "reruns": 0, "losses": 0, "hurt": 1}
    await store.close()
