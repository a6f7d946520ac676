"""Who waits for work is told of it before the disk was waited for; who can't be told hinders nobody."""

import asyncio
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from serai.errors import UnavailableError
from serai.store import NewTask, Store
from serai.store.conformance import Lamp
from serai.store.contract import Put, Transaction
from serai.store.embedded import nudges
from serai.store.embedded.nudges import Nudger
from serai.store.open import open_store
from serai.tasks import Registry, TaskContext, Tasks, task
from serai.tasks.bot import Bot, BotSettings

WAIT = 20.0  # seconds that anything here may take, on a machine that has other things to do as well
#: Listens as another process would, says so, and never reads.
DEAF = """
import asyncio, sys
from pathlib import Path
from serai.store.embedded.nudges import listen
asyncio.run(listen(Path(sys.argv[1]), ("any",), lambda: print("ready", flush=True)))
"""


class Ear:
    """One who listens, and counts."""

    def __init__(self) -> None:
        self.times = 0
        self._heard = asyncio.Event()

    def hear(self) -> None:
        self.times += 1
        self._heard.set()

    async def heard(self, times: int) -> None:
        async with asyncio.timeout(WAIT):
            while self.times < times:
                self._heard.clear()
                await self._heard.wait()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
def folder(path: Path) -> Path:
    return path.with_name("store.db-ears")


@pytest.fixture
async def store(path: Path) -> AsyncIterator[Store]:
    store = open_store(path)
    await store.identity()
    yield store
    await store.close()


@pytest.fixture
async def listen(folder: Path) -> AsyncIterator[Callable[..., "asyncio.Future[Ear]"]]:
    running: list[asyncio.Task[None]] = []

    async def start(*queues: str) -> Ear:
        ear = Ear()
        running.append(asyncio.create_task(nudges.listen(folder, queues or ("any",), ear.hear)))
        await ear.heard(1)
        return ear

    yield start
    for each in running:
        each.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    assert not folder.exists() or not list(folder.iterdir())


async def insert(store: Store, queue: str = "any") -> None:
    await store.change("user:ada", "", [NewTask(function="f", queue=queue)])


async def test_an_insertion_is_told_and_can_be_claimed_before_the_disk_was_waited_for(
    store, path, listen, monkeypatch
) -> None:
    ear, told = await listen(), threading.Event()
    real = os.fdatasync

    def slow(descriptor: int) -> None:
        assert told.wait(WAIT)
        real(descriptor)

    monkeypatch.setattr(os, "fdatasync", slow)
    inserting = asyncio.create_task(insert(store))
    await ear.heard(2)
    assert [each.wait for each in await Tasks(store).find()] == ["ready"]
    assert not inserting.done()
    told.set()
    await inserting


async def test_a_descriptor_is_durable_before_anybody_sees_it_and_its_tasks_are_told_of_then(
    store, listen, monkeypatch
) -> None:
    ear = await listen()
    monkeypatch.setattr(os, "fdatasync", lambda _: pytest.fail("the engine syncs within such a commit"))
    task = NewTask(function="f")
    await store.commit(Transaction("user:ada", "", (Put("ada", "desk", Lamp()), task)))
    await ear.heard(2)


async def test_a_disk_that_fails_after_the_commit_leaves_it_unknown_whether_it_is_durable(store, monkeypatch) -> None:
    def fail(_: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", fail)
        with pytest.raises(UnavailableError, match="can't be synced") as caught:
            await insert(store)
    assert caught.value.fields["outcome"] == "unknown"
    assert not caught.value.temporary
    await insert(store)


async def test_what_wrote_nothing_waits_for_no_disk(store, monkeypatch) -> None:
    monkeypatch.setattr(os, "fdatasync", lambda _: pytest.fail("synced for nothing"))
    assert await store.driver.write(store.driver.tasks.bots) == []


async def test_only_who_listens_to_the_queue_is_told(store, listen) -> None:
    mine, other, both = await listen("host:a"), await listen("any"), await listen("x", "y")
    await insert(store, "host:a")
    await mine.heard(2)
    await insert(store, "y")
    await both.heard(2)
    await insert(store, "nobody's")
    await asyncio.sleep(0)
    assert (mine.times, other.times, both.times) == (2, 1, 2)


async def test_each_of_several_is_told_in_its_turn_and_the_others_sleep_on(store, listen) -> None:
    ears = [await listen() for _ in range(3)]
    for count in range(1, 7):
        await insert(store)
        async with asyncio.timeout(WAIT):
            while sum(ear.times for ear in ears) < 3 + count:
                await asyncio.sleep(0)
    assert [ear.times for ear in ears] == [3, 3, 3]


async def test_one_that_was_killed_is_passed_over_and_its_socket_removed(store, folder, listen) -> None:
    command = [sys.executable, "-c", DEAF, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGKILL)
    assert len(list(folder.iterdir())) == 1
    ear = await listen()
    for _ in range(2):  # the dead one's turn is among them
        await insert(store)
    await ear.heard(3)
    assert len(list(folder.iterdir())) == 1


async def test_one_that_does_not_read_hinders_nobody(folder, listen) -> None:
    ear, nudger = await listen(), Nudger(folder)
    [living] = folder.iterdir()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as deaf:
        descriptor = os.open(folder, os.O_RDONLY)
        deaf.bind(f"/proc/self/fd/{descriptor}/{living.name[:-16]}{'0' * 16}")  # the folder's own path may be too long
        os.close(descriptor)
        for _ in range(5000):
            nudger.tell(["any"])
        await ear.heard(2)
    nudger.close()
    (folder / f"{living.name[:-16]}{'0' * 16}").unlink()


async def test_things_that_are_no_sockets_hinder_nobody(store, folder, listen, tmp_path) -> None:
    ear = await listen()
    [living] = folder.iterdir()
    (folder / f"{living.name}x").mkdir()
    (folder / "\udcff").touch()
    (folder / f"{living.name}z").symlink_to(tmp_path / "nowhere")
    for _ in range(3):
        await insert(store)
    await ear.heard(4)
    (folder / f"{living.name}x").rmdir()
    (folder / "\udcff").unlink()
    (folder / f"{living.name}z").unlink()


async def test_a_folder_that_is_a_link_is_not_followed(store, folder, tmp_path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    folder.symlink_to(elsewhere)
    listening = asyncio.create_task(nudges.listen(folder, ("any",), lambda: pytest.fail("it listens")))
    await insert(store)
    assert not list(elsewhere.iterdir())
    listening.cancel()
    await asyncio.wait([listening])


async def test_only_the_files_owner_may_nudge(store, folder, listen) -> None:
    await listen()
    [living] = folder.iterdir()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(living.stat().st_mode) == 0o600


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
async def test_what_root_makes_belongs_to_the_stores_owner(tmp_path) -> None:
    os.chown(tmp_path, 4711, 4711)
    folder, ear = tmp_path / "store.db-ears", Ear()
    listening = asyncio.create_task(nudges.listen(folder, ("any",), ear.hear))
    await ear.heard(1)
    assert {each.stat().st_uid for each in (folder, *folder.iterdir())} == {4711}
    listening.cancel()
    await asyncio.wait([listening])


async def test_a_path_may_be_longer_than_a_sockets_address(tmp_path) -> None:
    folder = tmp_path.joinpath(*("a" * 100 for _ in range(3)), "ears")
    folder.parent.mkdir(parents=True)
    ear, nudger = Ear(), Nudger(folder)
    listening = asyncio.create_task(nudges.listen(folder, ("any",), ear.hear))
    await ear.heard(1)
    nudger.tell(["any"])
    await ear.heard(2)
    nudger.close()
    listening.cancel()
    await asyncio.wait([listening])
    assert not list(folder.iterdir())


async def test_who_listens_before_the_store_is_made_is_told_once_it_is(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(nudges, "_AGAIN", 0.01)
    folder, ear = tmp_path / "later" / "ears", Ear()
    listening = asyncio.create_task(nudges.listen(folder, ("any",), ear.hear))
    await asyncio.sleep(0)
    folder.parent.mkdir()
    await ear.heard(1)
    listening.cancel()
    await asyncio.wait([listening])


@pytest.mark.parametrize("deaf", [False, True])
async def test_a_bot_that_polls_seldom_starts_a_task_at_once_and_a_deaf_one_at_its_poll(store, path, deaf) -> None:
    begun = asyncio.Event()

    @task("f", short=True)
    def quick(_ctx: TaskContext, _arguments: dict[str, object]) -> None:
        begun.set()

    if deaf:
        path.with_name("store.db-ears").touch()
    settings = BotSettings(poll=0.2 if deaf else 3600.0)
    working = asyncio.create_task(Bot(store, None, Registry({"f": quick}), settings=settings).run())
    async with asyncio.timeout(WAIT):
        while not await store.driver.read(store.driver.tasks.bots):
            await asyncio.sleep(0)
    other = open_store(path)
    await insert(other)
    async with asyncio.timeout(WAIT):
        await begun.wait()
    working.cancel()
    await asyncio.wait([working])
    await other.close()
