"""What one client can't do to the server, nor to the others: by its number of anything, or as another user."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import stat
import traceback
from pathlib import Path

import pytest

from serai.bus.conformance import expect_error, take
from serai.bus.local import router as routing
from serai.bus.local import server as serving
from serai.bus.local import wire
from serai.bus.open import LocalBusServer, open_bus
from serai.bus.peer import Peer
from serai.bus.policy import EVERYTHING, NOTHING, Policy, Rights
from serai.errors import DeniedError, ExhaustedError, UnavailableError


def connect(path: Path) -> socket.socket:
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(10)
    client.connect(str(path))
    return client


async def talk(path: Path, octets: bytes) -> bytes:
    """Send, and return what comes until the server closes the connection."""
    reader, writer = await asyncio.open_unix_connection(str(path))
    came = bytearray()
    with contextlib.suppress(ConnectionError):
        writer.write(octets)
        while data := await asyncio.wait_for(reader.read(1 << 16), 10):
            came += data
    writer.close()
    return bytes(came)


async def test_a_client_with_too_many_subscriptions_is_dropped(server, path, make_bus, monkeypatch) -> None:
    monkeypatch.setattr(routing, "MAX_SUBSCRIPTIONS", 50)
    bus = make_bus()
    subscription = await bus.subscribe("a")
    few = b"".join(wire.pack(wire.Subscribe(number, f"s{number}")) for number in range(25))
    more = b"".join(wire.pack(wire.Serve(number, f"s{number}")) for number in range(25, 51))
    came = await talk(path, few + more)
    ready = [wire.unpack(payload) for payload in wire.FrameReader().feed(came)]
    assert ready == [wire.Ready(number) for number in range(50)]
    assert server.status()["refused"] == 1
    await expect_error(UnavailableError, bus.call("s30"))  # its handlers went with it
    await bus.publish("a", 1)
    assert await take(subscription, 1) == [("a", 1)]


async def test_too_many_calls_at_once_are_refused_and_those_under_way_answered(server, make_bus, monkeypatch) -> None:
    monkeypatch.setattr(routing, "MAX_CALLS", 10)
    caller, handler = make_bus(), make_bus()
    go = asyncio.Event()

    async def wait(message: object) -> object:
        await go.wait()
        return message

    await handler.handle("wait", wait)
    calls = [asyncio.ensure_future(caller.call("wait", number, deadline=30)) for number in range(12)]
    await expect_error(ExhaustedError, calls[11])
    await expect_error(ExhaustedError, calls[10])
    go.set()
    assert await asyncio.gather(*calls[:10]) == list(range(10))


async def test_there_is_room_for_a_number_of_clients_only(server, path, make_bus, monkeypatch, eventually) -> None:
    monkeypatch.setattr(serving, "MAX_CLIENTS", 5)
    bus = make_bus()
    subscription = await bus.subscribe("a")
    held = [connect(path) for _ in range(4)]
    await eventually(lambda: server.status()["clients"] == 5)
    with connect(path) as refused:
        assert await asyncio.to_thread(refused.recv, 1) == b""
    held.pop().close()
    await eventually(lambda: server.status()["clients"] == 4)
    other = make_bus()
    await other.publish("a", 1)
    assert await take(subscription, 1) == [("a", 1)]
    for client in held:
        client.close()


async def test_guests_leave_room_for_the_others(path, monkeypatch, eventually) -> None:
    monkeypatch.setattr(serving, "MAX_GUESTS", 3)
    server = LocalBusServer(path, policy=Policy({os.geteuid(): Rights(call=("a",))}))
    await server.start()
    guests = [connect(path) for _ in range(3)]
    await eventually(lambda: server.status()["clients"] == 3)
    with connect(path) as refused:
        assert await asyncio.to_thread(refused.recv, 1) == b""
    server.policy = Policy({os.geteuid(): EVERYTHING})
    bus = open_bus(f"unix:{path}")
    subscription = await bus.subscribe("a")
    await bus.publish("a", 1)
    assert await take(subscription, 1) == [("a", 1)]
    await bus.close()
    await server.close()
    for guest in guests:
        guest.close()


async def test_a_client_that_insists_on_what_it_may_not_is_dropped(path) -> None:
    told: list[tuple[Peer, DeniedError]] = []
    server = LocalBusServer(path, policy=Policy(), on_denied=lambda client, error: told.append((client, error)))
    await server.start()
    came = await talk(path, wire.pack(wire.Publish("store.change", b"\x01")) * (routing.MAX_DENIED + 50))
    answers = [wire.unpack(payload) for payload in wire.FrameReader().feed(came)]
    assert {(answer.id, answer.code) for answer in answers} <= {(0, "denied")}
    assert len(told) == server.status()["denied"] == routing.MAX_DENIED + 1
    assert server.status()["refused"] == 1
    assert told[0][0] == Peer(os.getpid(), os.geteuid(), os.getegid())
    assert told[0][1].fields == {"verb": "publish", "subject": "store.change"}
    await server.close()


async def test_a_policy_that_took_a_right_away_ends_the_subscription_at_the_next_connection(path, eventually) -> None:
    server = LocalBusServer(path)
    await server.start()
    bus = open_bus(f"unix:{path}")
    subscription = await bus.subscribe("a")
    await server.close()
    stricter = LocalBusServer(path, policy=Policy({os.geteuid(): NOTHING}))
    await stricter.start()
    async with asyncio.timeout(20):
        assert [message async for message in subscription] == []
    assert isinstance(subscription.refused, DeniedError)
    await bus.close()
    await stricter.close()


async def _as_a_guest(path: Path) -> None:
    bus = open_bus(f"unix:{path}")

    async def answer(_: object) -> object:
        return "taken over"

    await expect_error(DeniedError, bus.handle("apps.wake", answer))
    await expect_error(DeniedError, bus.subscribe("tasks.*"))
    assert await bus.call("apps.wake", "blog") == "woke blog"
    await bus.publish("store.change", 1 << 60)
    await expect_error(DeniedError, bus.call("apps.logs"))
    await bus.close()


def _fork(user: int, path: Path) -> int:
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
        while not path.exists() or not stat.S_IMODE(path.stat().st_mode) & 0o002:
            os.sched_yield()
        asyncio.run(_as_a_guest(path))
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_another_user_may_do_what_the_policy_says_and_no_more(path: Path) -> None:
    guest, stranger = 210_000_001, 210_000_002
    path.parent.chmod(0o711)
    children = {_fork(guest, path): 0, _fork(stranger, path): 1}

    async def serve() -> dict[int, int]:
        server = LocalBusServer(path, policy=Policy({0: EVERYTHING, guest: Rights(call=("apps.wake",))}))
        await server.start()
        bus = open_bus(f"unix:{path}")
        heard = await bus.subscribe("store.change")

        async def wake(app: object) -> object:
            return f"woke {app}"

        await bus.handle("apps.wake", wake)
        path.chmod(0o666)
        ends = {
            child: os.waitstatus_to_exitcode((await asyncio.to_thread(os.waitpid, child, 0))[1]) for child in children
        }
        await bus.publish("store.change", 5)
        assert await take(heard, 1) == [("store.change", 5)]
        await bus.close()
        await server.close()
        return ends

    assert asyncio.run(serve()) == children
