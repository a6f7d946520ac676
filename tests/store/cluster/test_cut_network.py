"""A network that swallows: each message may be the last one that arrives, and nothing is told that is not so."""

import contextlib
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec
import psycopg
import pytest

from serai.errors import DeadlineError, UnavailableError
from serai.store import Store, retry
from serai.store.cluster.address import Patience, parse
from serai.store.cluster.connection import Connection, Statement
from serai.store.cluster.driver import ClusterDriver
from serai.store.cluster.private import PrivateServer
from serai.store.conformance import Lamp
from serai.store.contract import NewTask
from serai.store.tasks import Filter, Want

WHO, WHY = "user:ada", "to see"
TASK = NewTask(function="noop")
ONCE = retry.Patience(attempts=1)
SHORT = Patience(connect=2, statement=1, lock=0.5, idle=1, answer=1, doubt=3)


class Network:
    """A Unix socket in front of a server's; ``swallow`` is asked about each message, and cuts a connection for good."""

    def __init__(self, server: Path) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="serai-net-"))
        self.refuse = False
        self.swallow: Callable[[str, bytes], bool] = lambda _way, _data: False
        self._server = str(server / ".s.PGSQL.5432")
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.folder / ".s.PGSQL.5432"))
        self._listener.listen()
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()
        for each in self._open:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        shutil.rmtree(self.folder)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._open.append(client)
                if self.refuse:
                    continue  # accepted by the system, answered by nobody
                server = socket.socket(socket.AF_UNIX)
                server.connect(self._server)
                self._open.append(server)
                cut = threading.Event()
                for way, source, target in (("to", client, server), ("from", server, client)):
                    threading.Thread(target=self._copy, args=(way, source, target, cut), daemon=True).start()

    def _copy(self, way: str, source: socket.socket, target: socket.socket, cut: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                if self.swallow(way, data):
                    cut.set()
                if not cut.is_set():
                    target.sendall(data)
            target.close()


@pytest.fixture
def network(postgres: PrivateServer) -> Iterator[Network]:
    network = Network(postgres.folder)
    yield network
    network.close()


@pytest.fixture
async def store(postgres: PrivateServer, network: Network):
    address = parse(postgres.address(postgres.database(), network.folder))
    store = Store(ClusterDriver(msgspec.structs.replace(address, patience=SHORT)), patience=ONCE)
    await store.put(WHO, WHY, "ada", "first", Lamp())
    yield store
    network.refuse = False
    network.swallow = lambda _way, _data: False
    await store.close()


def once(match: Callable[[str, bytes], bool]) -> Callable[[str, bytes], bool]:
    done: list[bytes] = []

    def swallow(way: str, data: bytes) -> bool:
        if not done and match(way, data):
            done.append(data)
            return True
        return False

    return swallow


async def test_a_commit_whose_answer_is_lost_is_found_to_be_done(store: Store, network: Network) -> None:
    network.swallow = once(lambda way, data: way == "from" and b"COMMIT" in data)
    assert await store.put(WHO, WHY, "ada", "desk", Lamp(), expect=0) == 2
    assert (await store.get(Lamp, "ada", "desk")).change == 2


async def test_a_commit_that_is_lost_is_found_not_to_be_done(store: Store, network: Network) -> None:
    network.swallow = once(lambda way, data: way == "to" and b"COMMIT" in data)
    with pytest.raises(UnavailableError, match="before a commit") as refused:
        await store.put(WHO, WHY, "ada", "desk", Lamp(), expect=0)
    assert refused.value.temporary
    assert await store.put(WHO, WHY, "ada", "desk", Lamp(), expect=0) == 2


async def test_what_ends_a_connection_just_after_its_commit_undoes_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    fly, ended = Connection.fly, []

    def end(self: Connection, statements: Sequence[Statement]) -> None:
        fly(self, statements)
        if not ended and b"COMMIT" in [each.text for each in statements]:
            ended.append(self)
            raise psycopg.errors.AdminShutdown

    monkeypatch.setattr(Connection, "fly", end)
    assert await store.put(WHO, WHY, "ada", "desk", Lamp(), expect=0) == 2
    assert len(ended) == 1


async def test_a_task_whose_commit_is_not_answered_is_found_to_be_there(store: Store, network: Network) -> None:
    network.swallow = once(lambda way, data: way == "from" and b"COMMIT" in data)
    await store.change(WHO, WHY, [TASK])
    assert await found(store) == 1


async def test_a_task_whose_commit_is_lost_is_found_not_to_be_there(store: Store, network: Network) -> None:
    network.swallow = once(lambda way, data: way == "to" and b"COMMIT" in data)
    with pytest.raises(UnavailableError, match="before a commit"):
        await store.change(WHO, WHY, [TASK])
    assert await found(store) == 0


@pytest.mark.parametrize("done", [True, False])
async def test_an_idle_bots_claim_that_is_not_answered_is_said_to_be_unknown(
    store: Store, network: Network, done: bool
) -> None:
    rows, want = store.driver.tasks, Want(queues=("any",), slots=1)
    await store.driver.write(lambda tx: rows.enlist(tx, "bot", ["any"], now=1.0))
    await store.change(WHO, WHY, [TASK])
    network.swallow = once(lambda way, data: way == ("from" if done else "to") and b"COMMIT" in data)
    with pytest.raises(UnavailableError) as refused:
        await store.driver.write(lambda tx: rows.exchange(tx, "bot", [], want, now=time.time()))
    assert (refused.value.fields.get("outcome") == "unknown") is done
    if done:  # it holds what it never heard of, until it is struck off
        await store.driver.write(lambda tx: rows.bury(tx, "bot", None, "it gave up", who="bot", now=time.time()))
        await store.driver.write(lambda tx: rows.enlist(tx, "bot", ["any"], now=1.0))
    got = await store.driver.write(lambda tx: rows.exchange(tx, "bot", [], want, now=time.time()))
    assert len(got.claimed) == 1


async def found(store: Store) -> int:
    return len(await store.driver.read(lambda tx: store.driver.tasks.find(tx, Filter())))


async def test_a_statement_that_is_lost_was_not_done(store: Store, network: Network) -> None:
    network.swallow = once(lambda way, data: way == "to" and b"revision" in data)
    with pytest.raises(DeadlineError, match="does not answer"):
        await store.put(WHO, WHY, "ada", "desk", Lamp(), expect=0)
    assert await store.put(WHO, WHY, "ada", "desk", Lamp(), expect=0) == 2


async def test_a_commit_that_nobody_can_ask_about_is_said_to_be_unknown(store: Store, network: Network) -> None:
    def cut(way: str, data: bytes) -> bool:
        network.refuse = network.refuse or (way == "from" and b"COMMIT" in data)
        return network.refuse

    network.swallow = cut
    with pytest.raises(UnavailableError, match="unknown") as refused:
        await store.put(WHO, WHY, "ada", "desk", Lamp(), expect=0)
    assert not refused.value.temporary
    assert refused.value.fields["outcome"] == "unknown"


async def test_a_commit_that_is_still_under_way_is_waited_for(postgres: PrivateServer) -> None:
    """Who asks before the server is done must not be told that it was not done."""
    slow = Patience(connect=2, statement=8, lock=5, idle=5, answer=0.7, doubt=8)
    address = msgspec.structs.replace(parse(postgres.address(postgres.database())), patience=slow)
    store = Store(ClusterDriver(address), patience=ONCE)
    await store.put(WHO, WHY, "ada", "first", Lamp())
    with psycopg.connect(postgres.address(address.parameters["dbname"]), autocommit=True) as other:
        other.execute(
            "CREATE FUNCTION serai.slow() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN PERFORM pg_sleep(1.5); RETURN NULL; END $$"
        )
        other.execute(
            "CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON serai.revision "
            "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION serai.slow()"
        )
    assert await store.put(WHO, WHY, "ada", "desk", Lamp(), expect=0) == 2
    await store.close()


async def test_a_network_that_is_cut_and_comes_back(store: Store, network: Network) -> None:
    network.refuse = True
    network.swallow = lambda _way, _data: True
    for _ in range(2):
        with pytest.raises(DeadlineError):
            await store.get(Lamp, "ada", "first")
        with pytest.raises(DeadlineError):
            await store.put(WHO, WHY, "ada", "desk", Lamp(), expect=0)
    network.refuse = False
    network.swallow = lambda _way, _data: False
    assert await store.put(WHO, WHY, "ada", "desk", Lamp(), expect=0) == 2
