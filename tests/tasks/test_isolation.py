"""Isolated functions: what they compute, how they are stopped, and what the worst of them can't do."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest

from serai.errors import InternalError
from serai.tasks import Registry, task
from serai.tasks.bot import BotSettings

SETTINGS = BotSettings(poll=0.1, stop=0.5, drain=0.3, lease=5.0)


@pytest.fixture(scope="module")
def poison() -> ModuleType:
    """Import the module so that another process finds it: by a plain name, in a folder of the importer's path."""
    sys.path.append(str(Path(__file__).parent))
    return importlib.import_module("poison")


@pytest.fixture
async def bot(work, poison):
    functions = [each for each in vars(poison).values() if hasattr(each, "isolated")]
    return work(*functions, settings=SETTINGS, resources={"home": Path("/srv"), "secret": object()})


async def reaches(tasks, identity: str, state: str, sentence: str = "") -> None:
    async with asyncio.timeout(20), contextlib.aclosing(tasks.follow(identity)) as seen:
        async for each in seen:
            if each.state == state and each.sentence == sentence:
                return


async def ends(tasks, new) -> object:
    return await tasks.wait(await tasks.add("user:x", new), 60)


async def test_a_plain_function_runs_in_another_process(bot, tasks, poison) -> None:
    over = await ends(tasks, poison.double.new({"n": 21}))
    assert (over.state, over.result) == ("done", 42)


@pytest.mark.parametrize("name", ["wait", "count"])
async def test_a_cancel_reaches_it_and_it_cleans_up(bot, tasks, poison, name) -> None:
    identity = await tasks.add("user:x", getattr(poison, name).new())
    await reaches(tasks, identity, "is_processing", "waiting")
    await tasks.cancel("user:x", identity, "changed my mind")
    over = await tasks.wait(identity, 10)
    assert (over.state, over.progress) == ("canceled", 0.25)
    assert (await tasks.story(identity))[-1].why == "it stopped when it was asked to"
    assert [line.text for line in await tasks.log(identity)] == (["cleaned up"] if name == "wait" else [])


async def test_one_that_does_not_react_is_killed_with_its_children_and_the_story_says_so(
    bot, tasks, poison, tmp_path
) -> None:
    alive = tmp_path / "alive"
    identity = await tasks.add("user:x", poison.stay.new({"alive": str(alive)}))
    await reaches(tasks, identity, "is_processing", "waiting")
    await tasks.cancel("user:x", identity)
    over = await tasks.wait(identity, 10)
    assert over.state == "canceled"
    assert (await tasks.story(identity))[-1].why == "it did not stop within 0.5 s; it was killed"
    assert still(alive)
    assert bot.running == 0


async def test_one_beyond_its_deadline_is_killed_and_the_error_says_so(bot, tasks, poison, tmp_path) -> None:
    over = await ends(tasks, poison.stay.new({"alive": str(tmp_path / "alive")}, deadline=4.0))  # it must have begun
    assert (over.state, over.error["code"]) == ("error", "deadline")
    assert over.error["public"] == ("The task ran longer than its 4 s; it did not stop within 0.5 s; it was killed.")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("leave", "exit code 3"),
        ("crash", "killed by SIGSEGV"),
        ("quit_", "SystemExit: enough"),
        ("eat", "MemoryError"),
        ("split", "exit code 0"),
        ("close", "exit code"),
        ("swell", "at most 1048576 octets"),
    ],
)
async def test_poison_ends_in_an_error_and_harms_nobody(bot, tasks, poison, tmp_path, name, said) -> None:
    alive = tmp_path / "alive"
    identity = await tasks.add("user:x", getattr(poison, name).new({"alive": str(alive)}))
    beside = [await tasks.add("user:x", poison.double.new({"n": n})) for n in range(3)]
    over = await tasks.wait(identity, 20)
    assert (over.state, over.run) == ("error", 1)
    assert said in over.error["public"]
    assert still(alive)
    for n, other in enumerate(beside):
        good = await tasks.wait(other, 20)
        assert (good.result, good.run) == (n * 2, 1)


async def test_what_a_crashing_function_printed_is_kept(bot, tasks, poison) -> None:
    over = await ends(tasks, poison.crash.new())
    assert [line.text for line in await tasks.log(over.id)] == ["about to crash"]


async def test_of_a_million_lines_the_last_are_kept(bot, tasks, poison) -> None:
    over = await ends(tasks, poison.chatter.new())
    assert over.result == "said it all"
    lines = await tasks.log(over.id)
    assert len(lines) == 1000
    assert lines[-1].text == "line 999999"


async def test_it_has_plain_resources_but_no_store(bot, tasks, poison) -> None:
    over = await ends(tasks, poison.reach.new())
    assert (over.state, over.error["code"]) == ("error", "unsupported")


async def test_a_bot_that_drains_hands_back_what_it_had_to_kill(bot, tasks, poison, tmp_path) -> None:
    alive = tmp_path / "alive"
    identity = await tasks.add("user:x", poison.stay.new({"alive": str(alive)}))
    await reaches(tasks, identity, "is_processing", "waiting")
    bot.job.cancel()
    await asyncio.gather(bot.job, return_exceptions=True)
    handed = await tasks.get(identity)
    assert (handed.state, handed.lost) == ("to_do", 0)
    assert still(alive)


def test_a_process_of_its_own_is_never_short() -> None:
    with pytest.raises(InternalError):

        @task("both", isolated=True, short=True)
        def both(ctx, arguments) -> None: ...


async def test_all_that_a_killed_bot_started_dies_with_it(tasks, tmp_path, poison) -> None:
    alive = tmp_path / "alive"
    await tasks.add("user:x", poison.stay.new({"alive": str(alive)}))
    script = Path(__file__).with_name("bot_process.py")
    process = subprocess.Popen([sys.executable, script, tmp_path / "store.db", tmp_path / "ledger", "b"])
    try:
        async with asyncio.timeout(20):
            while not alive.exists():
                await asyncio.sleep(0.02)
    finally:
        process.kill()
        process.wait()
    time.sleep(0.2)  # what the kernel may take
    assert still(alive)


def still(alive: Path) -> bool:
    """Tell whether nobody writes to a file any more; nobody may ever have."""
    size = alive.stat().st_size if alive.exists() else 0
    time.sleep(0.15)
    return not alive.exists() or alive.stat().st_size == size


def test_the_registry_refuses_what_calls_itself_otherwise() -> None:
    with pytest.raises(InternalError):
        Registry({"other": "serai.services.skeleton.tasks:greet"}).get("other")
