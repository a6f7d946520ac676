"""Parts of the kernel that can be tried by themselves: channel, accept loop, home, metrics, control."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from pathlib import Path
from typing import Any

import pytest
import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from serai.daemon import accept, home, linux, metrics, testing
from serai.daemon.accept import AcceptLoop
from serai.daemon.channel import Channel, pair
from serai.daemon.control import ControlServer, request
from serai.daemon.home import Home, furnish, prepare
from serai.daemon.settings import HostSettings
from serai.errors import ConflictError, DeniedError, InvalidError, UnavailableError


async def test_messages_of_any_size_arrive_whole_and_in_order() -> None:
    one, other = pair()
    received: asyncio.Queue[Any] = asyncio.Queue()
    closed = asyncio.Event()
    sender = Channel(one, lambda _: None, lambda: None)
    receiver = Channel(other, received.put_nowait, closed.set)
    sizes = [0, 1, 32_766, 32_768, 1_000_000, 5]
    for size in sizes:
        sender.send({"text": "x" * size})
    assert [len((await received.get())["text"]) for _ in sizes] == sizes
    sender.close()
    async with asyncio.timeout(5):
        await closed.wait()
    receiver.send({"to": "nobody"})
    sender.send({"to": "nobody"})


async def test_the_tail_of_a_message_whose_head_is_lost_is_skipped() -> None:
    one, other = pair()
    received: asyncio.Queue[Any] = asyncio.Queue()
    receiver = Channel(other, received.put_nowait, lambda: None)
    one.send(b'\x00tail"}')
    one.send(b'\x00{"whole":1}')
    assert await received.get() == {"whole": 1}
    receiver.close()
    one.close()


def listening() -> socket.socket:
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    sock.listen(100)
    return sock


async def test_after_the_stop_connections_stay_in_the_queue_for_the_next_worker() -> None:
    with listening() as sock:
        first: list[socket.socket] = []
        second: asyncio.Queue[socket.socket] = asyncio.Queue()
        one = AcceptLoop(sock, lambda connection, _: first.append(connection), structlog.get_logger())
        one.stop()
        one.stop()
        with socket.create_connection(sock.getsockname(), timeout=2):
            other = AcceptLoop(sock, lambda connection, _: second.put_nowait(connection), structlog.get_logger())
            async with asyncio.timeout(5):
                (await second.get()).close()
            other.stop()
        assert first == []


async def test_a_connection_is_left_to_others_for_as_long_as_the_module_says() -> None:
    asked = iter([0.01, 0.01, 0.0])
    with listening() as sock:
        taken: asyncio.Queue[socket.socket] = asyncio.Queue()
        log = structlog.get_logger()
        loop = AcceptLoop(sock, lambda connection, _: taken.put_nowait(connection), log, lambda: next(asked, 0.0))
        with socket.create_connection(sock.getsockname(), timeout=2):
            async with asyncio.timeout(5):
                (await taken.get()).close()
        loop.stop()
    assert next(asked, None) is None


async def test_without_descriptors_accepting_pauses_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accept, "PAUSE", 0.01)

    class Short:
        """A socket in a process that ran out of descriptors once."""

        def __init__(self, sock: socket.socket) -> None:
            self.sock = sock
            self.refused = 0

        def fileno(self) -> int:
            return self.sock.fileno()

        def setblocking(self, flag: bool) -> None:
            self.sock.setblocking(flag)

        def accept(self) -> Any:
            if self.refused == 0:
                self.refused += 1
                raise OSError(errno.EMFILE, "too many")
            return self.sock.accept()

    with listening() as sock:
        taken: asyncio.Queue[socket.socket] = asyncio.Queue()
        loop = AcceptLoop(Short(sock), lambda connection, _: taken.put_nowait(connection), structlog.get_logger())  # type: ignore[arg-type]
        with socket.create_connection(sock.getsockname(), timeout=2):
            async with asyncio.timeout(5):
                (await taken.get()).close()
        loop.stop()


def test_metrics_of_processes_add_up() -> None:
    collected = []
    for number in (1, 2):
        registry = CollectorRegistry()
        Counter("hits", "Hits\nseen", ["tenant"], registry=registry).labels('a"b').inc(number)
        Gauge("open", "Open", registry=registry).set(number)
        Histogram("seconds", "Time", buckets=(1, 2), registry=registry).observe(number)
        collected.append(metrics.collect(registry))
    text = metrics.text(metrics.add(collected))
    assert '# HELP hits_total Hits\\nseen\n# TYPE hits_total counter\nhits_total{tenant="a\\"b"} 3.0\n' in text
    assert "open 3.0\n" in text
    assert 'seconds_bucket{le="1.0"} 1.0\n' in text
    assert "seconds_count 2.0\n" in text


async def test_the_control_socket_answers_and_passes_errors_on(tmp_path: Path) -> None:
    async def handle(verb: str, arguments: dict[str, Any], _connection: int) -> Any:
        if verb == "fail":
            raise ConflictError("Too late.", at=3)
        return {"verb": verb, **arguments}

    path = tmp_path / "c.sock"
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(str(path))
    sock.listen()
    server = ControlServer(sock, handle)
    await server.start()
    assert await request(path, "status", x=1) == {"verb": "status", "x": 1}
    with pytest.raises(ConflictError) as told:
        await request(path, "fail")
    assert told.value.fields == {"at": 3}
    reader, writer = await asyncio.open_unix_connection(str(path))
    writer.write(b"garbage\n")
    assert b'"invalid"' in await reader.readline()
    writer.close()
    server.close()
    with pytest.raises(UnavailableError):
        await request(path, "status")


def test_a_new_home_has_a_documented_file_and_its_modes(room: Path) -> None:
    place = prepare(room / "h")
    text = place.config.read_text()
    assert "\nname = " in text
    furnish(place, HostSettings(uid_base=300_000))
    assert place.path.stat().st_mode & 0o777 == 0o711
    assert (place.path / "data/store").stat().st_mode & 0o777 == 0o700
    again = prepare(room / "h")
    assert again.config.read_text() == text


def test_a_home_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "h").write_text("")
    with pytest.raises(InvalidError, match="is a file"):
        prepare(tmp_path / "h")


@pytest.mark.parametrize("path", ["/proc/h", "/etc/passwd/h", f"/tmp/{'h' * 300}"])
def test_a_home_that_can_not_be_made_is_refused(path: str) -> None:
    with pytest.raises((InvalidError, DeniedError), match="can't be made"):
        prepare(Path(path))


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_a_home_that_others_can_not_reach_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o700)
    with pytest.raises(InvalidError, match="lets nobody but its owner through"):
        prepare(tmp_path / "closed/h")


def test_homes_side_by_side_have_other_users() -> None:
    bases = {home.uid_base(Path(f"/srv/{number}")) for number in range(20)}
    assert len(bases) >= 19
    assert all(base % 65536 == 200_000_000 % 65536 and base < 2**31 for base in bases)


def test_a_process_is_named_beyond_reuse_of_its_number() -> None:
    assert linux.start_ticks(os.getpid()) > 0
    assert linux.start_ticks(2**22 + 1) == 0
    assert 0 <= linux.uptime(linux.start_ticks(os.getpid())) < 1e6
    assert linux.pss(os.getpid()) > 1_000_000


async def test_the_clock_of_tests_moves_by_hand() -> None:
    clock = testing.FakeClock()
    sleeping = asyncio.ensure_future(clock.sleep(10))
    await asyncio.sleep(0)
    clock.advance(9.9)
    await asyncio.sleep(0)
    assert not sleeping.done()
    clock.advance(0.1)
    await sleeping


def test_only_root_and_the_owner_control_a_host() -> None:
    from serai.daemon import control

    control._authorize("down", os.geteuid(), frozenset())
    control._authorize("status", 12345, frozenset({12345}))
    for verb in ("down", "reload", "upgrade"):
        with pytest.raises(DeniedError):
            control._authorize(verb, 12345, frozenset({12345}))
    with pytest.raises(DeniedError):
        control._authorize("status", 54321, frozenset({12345}))


def test_home_paths_lie_below_it() -> None:
    place = Home(Path("/h"))
    assert place.store == "sqlite:/h/data/store/store.db"
    assert place.bus == "unix:/h/run/bus.sock"
