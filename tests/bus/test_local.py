"""The local engine: the conformance suite, and what is particular to sockets."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct

import pytest
import uvloop

from serai.bus import Bus
from serai.bus.conformance import BusConformance, MakeBus, expect_error, take
from serai.bus.local import wire
from serai.bus.open import LocalBusServer, open_bus
from serai.bus.policy import Policy, Rights
from serai.bus.policy_conformance import MakeGuest, PolicyConformance
from serai.errors import InvalidError, UnavailableError


@pytest.fixture
def make_guest(server: LocalBusServer, make_bus: MakeBus, eventually) -> MakeGuest:
    async def make(rights: Rights) -> Bus:
        before, server.policy = server.policy, Policy({os.geteuid(): rights})
        guest, clients = make_bus(), server.status()["clients"]
        await guest.publish("hello")  # connects
        await eventually(lambda: server.status()["clients"] == clients + 1)
        server.policy = before
        return guest

    return make


class TestLocal(BusConformance, PolicyConformance):
    """Every promise of the contract."""


async def test_subscriptions_and_handlers_survive_the_servers_restart(server, path, make_bus, eventually) -> None:
    bus, caller = make_bus(), make_bus()
    subscription = await bus.subscribe("news.*")

    async def answer(message: object) -> object:
        return message

    await bus.handle("echo", answer)
    assert await caller.call("echo", 1) == 1
    await server.close()
    await expect_error(UnavailableError, caller.call("echo", 1))
    again = LocalBusServer(path)
    await again.start()
    try:
        await eventually(lambda: again.status()["clients"] == 2)
        await eventually(subscription.ready.is_set)
        await eventually_call(caller)
        await caller.publish("news.today", "back")
        assert await take(subscription, 1) == [("news.today", "back")]
    finally:
        await again.close()


async def eventually_call(caller: Bus) -> None:
    async with asyncio.timeout(20):
        while True:
            with contextlib.suppress(UnavailableError):
                assert await caller.call("echo", 2) == 2
                return
            await asyncio.sleep(0.01)


async def test_a_call_under_way_fails_when_the_server_goes(server, make_bus) -> None:
    bus, caller = make_bus(), make_bus()
    asked = asyncio.Event()

    async def hang(_: object) -> None:
        asked.set()
        await asyncio.Event().wait()

    await bus.handle("hang", hang)
    call = asyncio.ensure_future(caller.call("hang", deadline=60))
    await asked.wait()
    await server.close()
    await expect_error(UnavailableError, call)


async def test_a_client_may_start_before_the_server(path) -> None:
    bus = open_bus(f"unix:{path}")
    await bus.publish("lost", 1)
    await expect_error(UnavailableError, bus.call("nobody"))
    subscribing = asyncio.ensure_future(bus.subscribe("early"))
    server = LocalBusServer(path)
    await server.start()
    subscription = await subscribing
    await bus.publish("early", 1)
    assert await take(subscription, 1) == [("early", 1)]
    await bus.close()
    await server.close()


@pytest.mark.parametrize(
    "garbage",
    [
        b"\xff\xff\xff\xff",
        b"\0\0\0\0",
        b"GET / HTTP/1.1\r\n\r\n",
        struct.pack(">I", 3) + b"abc",
        wire.pack(wire.Ready(1)),  # a server's word
        wire.pack(wire.Publish("a b", b"")),
        wire.pack(wire.Subscribe(1, "a")) * 2,
    ],
)
async def test_garbage_closes_the_connection_and_hurts_nobody_else(server, path, make_bus, garbage: bytes) -> None:
    bus = make_bus()
    subscription = await bus.subscribe("a")
    reader, writer = await asyncio.open_unix_connection(str(path))
    writer.write(garbage)
    with contextlib.suppress(ConnectionError):
        while await asyncio.wait_for(reader.read(4096), 20):
            pass
    writer.close()
    await bus.publish("a", 1)
    assert await take(subscription, 1) == [("a", 1)]
    assert server.status()["refused"] == 1


async def test_another_clients_broken_body_is_counted_and_skipped(server, path, make_bus) -> None:
    bus = make_bus()
    subscription = await bus.subscribe("a")
    _, writer = await asyncio.open_unix_connection(str(path))
    writer.write(wire.pack(wire.Publish("a", b"\xc1")) + wire.pack(wire.Publish("a", b"\x01")))
    assert await take(subscription, 1) == [("a", 1)]
    assert subscription.lost == 1
    writer.close()


async def test_a_client_that_does_not_read_loses_messages_and_then_its_connection(path, eventually) -> None:
    server = LocalBusServer(path, patience=0.3)
    await server.start()
    bus = open_bus(f"unix:{path}")
    deaf = socket.socket(socket.AF_UNIX)
    deaf.connect(str(path))
    deaf.sendall(wire.pack(wire.Subscribe(1, "flood")))
    await eventually(lambda: server.status()["clients"] == 1)
    for _ in range(40):
        await bus.publish("flood", b"x" * 500_000)
    await eventually(lambda: server.status()["lost"] > 0)
    await eventually(lambda: server.status()["dropped"] == 1)
    await eventually(lambda: server.status()["clients"] == 1)
    deaf.close()
    await bus.close()
    await server.close()


async def test_a_reader_that_was_slow_learns_how_much_it_missed(server, path, make_bus, eventually) -> None:
    slow = socket.socket(socket.AF_UNIX)
    slow.connect(str(path))
    slow.settimeout(5)
    slow.sendall(wire.pack(wire.Subscribe(1, "flood")))
    bus = make_bus()
    await eventually(lambda: server.status()["clients"] == 1)
    for _ in range(40):
        await bus.publish("flood", b"x" * 500_000)
    await eventually(lambda: server.status()["published"] == 40)
    reader, seen, lost = wire.FrameReader(), 0, 0
    while seen + lost < 40:
        data = await asyncio.to_thread(slow.recv, 1 << 20)
        for message in map(wire.unpack, reader.feed(data)):
            if isinstance(message, wire.Deliver):
                seen, lost = seen + 1, lost + message.lost
    assert lost == server.status()["lost"] > 0
    slow.close()


async def test_sockets_that_were_handed_in_stay_open(path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        bus = open_bus(f"unix:{path}")
        for _ in range(2):
            server = LocalBusServer()
            await server.start([listening])
            subscription = await bus.subscribe("a")
            await bus.publish("a", 1)
            assert await take(subscription, 1) == [("a", 1)]
            await server.close()
        await bus.close()


def test_the_engine_works_on_uvloop(path) -> None:
    async def talk() -> object:
        server = LocalBusServer(path)
        await server.start()
        bus, caller = open_bus(f"unix:{path}"), open_bus(f"unix:{path}")

        async def answer(message: object) -> object:
            return message

        await bus.handle("echo", answer)
        try:
            return await caller.call("echo", "hello")
        finally:
            await caller.close()
            await bus.close()
            await server.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(talk()) == "hello"


@pytest.mark.parametrize("url", ["", "unix:", "tcp://localhost", "unix:/" + "x" * 200, "unix:/a\0b"])
def test_a_malformed_address_is_refused(url: str) -> None:
    with pytest.raises(InvalidError):
        open_bus(url)
