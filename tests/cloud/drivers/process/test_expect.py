import asyncio
import os
import signal
from pathlib import Path

import pytest

from serai.cloud.drivers.process import starts
from serai.errors import InternalError


def shims(folder):
    """Return the process IDs of shims that wait for a start below a folder."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if words[-2:-1] == [os.fsencode(folder)] and b"main" in words:
            found.append(int(entry.name))
    return found


async def settled(true):
    for _ in range(1000):
        if true():
            return True
        await asyncio.sleep(0.01)
    return False


async def test_a_start_takes_the_shim_that_was_made_ready(bench):
    bench.driver.expect()
    bench.driver.expect()
    await bench.driver._starts._expected._reaping
    assert len(shims(bench.driver._folders.run)) == 1
    async with bench.running("sleep", "60") as handle:
        assert shims(handle.folder.parent) == [handle.pid]
        assert (await bench.driver.stop(handle, grace=5)).reason == "stopped"
    assert shims(handle.folder.parent) == []


async def test_a_shim_that_nobody_needs_ends(bench, monkeypatch):
    monkeypatch.setattr(starts, "EXPECTED", 0.05)
    bench.driver.expect()
    folder = bench.driver._folders.run
    assert await settled(lambda: shims(folder) == [])
    async with bench.running("sh", "-c", "exit 3") as handle:
        assert (await bench.driver.wait(handle)).code == 3


async def test_a_shim_that_died_while_it_waited_fails_one_start_only(bench):
    bench.driver.expect()
    folder = bench.driver._folders.run
    # The first process forks the shim and ends: only then the one that is there is the one that waits.
    await bench.driver._starts._expected._reaping
    assert await settled(lambda: len(shims(folder)) == 1)
    os.kill(shims(folder)[0], signal.SIGKILL)
    assert await settled(lambda: shims(folder) == [])
    with pytest.raises(InternalError, match="without a word"):
        await bench.driver.start(bench.workload("sleep", "60"))
    async with bench.running("sh", "-c", "exit 3") as handle:
        assert (await bench.driver.wait(handle)).code == 3
