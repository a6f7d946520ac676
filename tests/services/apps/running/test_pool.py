"""Tenants' functions and commands on the real driver: results, logs, progress, cancels, and programs that die."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import time
from typing import TYPE_CHECKING, Any

import pytest

from serai.errors import NotFoundError
from serai.services.apps.running import tasks
from serai.services.apps.running.pool import Pool, PoolLimits
from serai.services.apps.running.runner import Report
from serai.services.apps.running.wishes import Work as What
from serai.tasks.outcome import FailedError, KilledError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.services.apps.conftest import Platform

pytestmark = [pytest.mark.root, pytest.mark.skipif(os.geteuid() != 0, reason="needs root")]

JOBS = """
import asyncio, os, sys, time
import serai

def add(a, b=1):
    print("adding", a, b)
    return {"sum": a + b, "uid": os.getuid(), "release": os.environ["RELEASE"]}

async def later(n):
    await asyncio.sleep(n)
    return "slept"

def steps():
    for i in range(4):
        serai.progress(i / 4, "step %d" % i)
    return serai.current().attempt

def fail():
    raise ValueError("it is wrong")

def refuse():
    raise serai.Fail("never again")

def sleep():
    open("/data/began", "w").close()
    try:
        time.sleep(60)
    finally:
        open("/data/cleaned", "w").close()

def stubborn():
    while True:
        try:
            open("/data/deaf", "w").close()
            time.sleep(60)
        except BaseException:
            pass

def die():
    os.kill(os.getpid(), 9)

def leave():
    if os.fork() == 0:
        time.sleep(600)
    os._exit(3)

def eat():
    hoard = []
    while True:
        hoard.append(bytearray(1 << 24))

def shout():
    for _ in range(100000):
        print("x" * 200)

def odd():
    return object()

class Kept:
    @staticmethod
    def count():
        Kept.n = getattr(Kept, "n", 0) + 1
        return Kept.n
"""


class Place:
    """Runs a tenant's work as the task function does."""

    def __init__(self, platform: Platform, limits: PoolLimits) -> None:
        self.platform = platform
        self.lines: list[str] = []
        self.told: list[tuple[float, str]] = []
        self.pool = Pool(platform.driver, platform.ctx.home / "run/runners", limits)

    async def run(self, *, grace: float = 2.0, release: int = 0, **what: Any) -> Any:
        work = self.platform.work("jobs")
        wish = What(**what, release=release)
        context = await tasks.context_of(work, wish)
        make = functools.partial(tasks.prepare, work, context)
        message = {"id": "t1", "attempt": 1}
        if wish.call:
            message |= {"do": "call", "call": wish.call, "args": wish.args, "kwargs": wish.kwargs}
        else:
            message |= {"do": "run", "argv": list(wish.argv), "arguments": wish.arguments}
        report = Report(self.lines.append, lambda done, said: self.told.append((done, said)))
        async with self.pool.lend(context.key("demo"), make) as runner:
            return await runner.run(message, report, grace)

    async def file(self, name: str) -> bool:
        path = self.platform.ctx.home / "data/apps/demo/jobs/data" / name
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(10):
                while not path.exists():
                    await asyncio.sleep(0.02)
        return path.exists()


@pytest.fixture
async def place(platform: Platform) -> AsyncIterator[Place]:
    release = await platform.deploy(
        "jobs", {**platform.web_app(more="[resources]\nmemory_mb = 128\n"), "jobs.py": JOBS}
    )
    assert (release.state, release.reason) == ("live", ""), platform.notes
    made = Place(platform, PoolLimits(idle_seconds=20))
    yield made
    await made.pool.close()


async def test_functions_run_one_after_the_other_in_one_warm_sandbox(place: Place) -> None:
    answer = await place.run(call="jobs:add", args=[2], kwargs={"b": 3})
    assert answer == {"sum": 5, "uid": 1000, "release": "1"}
    assert place.lines == ["adding 2 3"]
    began = time.monotonic()
    for number in range(50):
        assert await place.run(call="jobs:Kept.count") == number + 1
    assert place.pool.started == 1
    assert time.monotonic() - began < 5
    assert await place.run(call="jobs:later", args=[0.01]) == "slept"
    assert await place.run(call="jobs:steps") == 1
    assert place.told[-1] == (0.75, "step 3")


async def test_a_command_gets_its_arguments_and_gives_a_result(place: Place) -> None:
    script = (
        'read line; echo "got $line"; echo \'{"progress": 0.5, "sentence": "half"}\' >&3; echo \'{"result": [1]}\' >&3'
    )
    assert await place.run(argv=("sh", "-c", script), arguments={"a": 1}) == [1]
    assert place.lines == ['got {"a": 1}']
    assert place.told == [(0.5, "half")]
    assert await place.run(argv=("true",)) is None
    with pytest.raises(FailedError, match="sh ended with status 3: no luck"):
        await place.run(argv=("sh", "-c", "echo no luck >&2; exit 3"))
    with pytest.raises(FailedError, match="can't be executed"):
        await place.run(argv=("/nowhere",))
    with pytest.raises(FailedError, match="not JSON"):
        await place.run(argv=("sh", "-c", "echo nonsense >&3"))
    assert place.pool.started == 1


async def test_what_fails_says_how(place: Place) -> None:
    with pytest.raises(FailedError) as failed:
        await place.run(call="jobs:fail")
    assert failed.value.blob["public"] == "ValueError: it is wrong"
    assert any("raise ValueError" in line for line in place.lines)
    for call, code, said in (
        ("jobs:refuse", "invalid", "never again"),
        ("jobs:nothing", "not_found", "no function nothing"),
        ("nowhere:at_all", "not_found", "no module nowhere"),
        ("jobs:odd", "invalid", "not JSON"),
    ):
        with pytest.raises(FailedError, match=said) as failed:
            await place.run(call=call)
        assert failed.value.blob["code"] == code
    assert place.pool.started == 1
    with pytest.raises(NotFoundError):
        await place.run(call="jobs:add", release=9)


async def test_a_cancelled_one_cleans_up_and_a_stubborn_one_is_killed(place: Place) -> None:
    running = asyncio.create_task(place.run(call="jobs:sleep"))
    assert await place.file("began")
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert await place.file("cleaned")
    command = asyncio.create_task(place.run(argv=("sh", "-c", "touch /data/there; sleep 60")))
    assert await place.file("there")
    command.cancel()
    with pytest.raises(asyncio.CancelledError):
        await command
    stubborn = asyncio.create_task(place.run(call="jobs:stubborn", grace=0.3))
    assert await place.file("deaf")
    assert place.pool.started == 3
    stubborn.cancel()
    with pytest.raises(KilledError, match="did not stop"):
        await stubborn


@pytest.mark.parametrize("name", ["die", "leave", "eat"])
async def test_poison_harms_nobody_else(place: Place, name: str) -> None:
    with pytest.raises(FailedError, match="Its process died"):
        await place.run(call=f"jobs:{name}")
    assert await place.run(call="jobs:add", args=[1]) == {"sum": 2, "uid": 1000, "release": "1"}


async def test_a_flood_of_output_waits(place: Place) -> None:
    asyncio.get_running_loop().slow_callback_duration = 1
    await asyncio.wait_for(place.run(argv=("sh", "-c", "head -c 3000000 /dev/zero | tr '\\\\0' x | fold -w 100")), 30)
    assert 20_000 <= len(place.lines) <= 31_000


async def test_idle_runners_end_and_a_new_process_clears_old_ones(place: Place) -> None:
    place.pool.limits = PoolLimits(idle_seconds=0.2)
    await place.run(call="jobs:add", args=[1])
    assert place.pool.idling == 1
    while place.pool.idling:
        await asyncio.sleep(0.05)
    other = Place(place.platform, PoolLimits())
    await place.run(call="jobs:add", args=[1])
    await other.run(call="jobs:add", args=[1])
    handles = [one.id for one in await place.platform.driver.recover() if one.id.startswith("work.")]
    assert len(handles) == 1
    await other.pool.close()
