"""Requests that another module of the worker answers, or takes with their connections."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Any

import pytest

from serai.errors import AlreadyExistsError


class Guest(asyncio.Protocol):
    """Take a connection and say what comes on it."""

    def __init__(self, visit: Any) -> None:
        self.visit = visit
        self.transport, self.waiting = visit.take(self, 200)
        self.heard = b""
        self.transport.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello")

    def data_received(self, data: bytes) -> None:
        self.heard += data
        if data.endswith(b"bye"):
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.visit.over(len(self.heard), 5)


async def test_nobody_offered_it(stage: Any) -> None:
    await stage.start()
    for host in ("api.localhost", "console.localhost"):
        assert (await stage.get("/push", host)).status == 503


async def test_a_body_is_too_much(stage: Any) -> None:
    await stage.start()
    stage.ctx.offer("push", lambda _visit: pytest.fail("nobody is asked"))
    assert (await stage.get("/push", "api.localhost", "Content-Length: 3", method="POST")).status == 413


async def test_what_came_is_told_and_an_answer_leaves_the_connection_as_it_was(stage: Any) -> None:
    seen: list[Any] = []
    stage.route("a.test/x/.push/", target="push")

    def taker(visit: Any) -> None:
        seen.append((visit.method, visit.target, visit.tenant, visit.app, visit.peer, visit.origin, visit.upgrade))
        visit.answer(403, b"X-Why: so\r\n", b"no")

    await stage.start()
    stage.ctx.offer("push", taker)
    client = await stage.client()
    for target in ("/x/.push?a=b", "/x/.push/", "/x/.push/deep"):
        client.send(f"GET {target} HTTP/1.1\r\nHost: a.test:8080\r\n\r\n".encode())
        answer = await client.answer()
        assert (answer.status, answer.fields["x-why"], answer.body) == (403, "so", b"no")
    assert seen[0] == (b"GET", b"/x/.push?a=b", "demo", "hello", "127.0.0.1", b"http://a.test:8080", b"")


async def test_a_connection_that_was_taken_is_counted_until_it_is_lost(stage: Any) -> None:
    guests: list[Guest] = []
    await stage.start()
    stage.ctx.offer("push", lambda visit: guests.append(Guest(visit)))
    client = await stage.client()
    client.send(b"GET /push HTTP/1.1\r\nHost: api.localhost\r\n\r\nat once")
    await client.reader.readuntil(b"hello")
    assert guests[0].waiting == b"at once"
    assert (len(stage.edge.sessions), stage.edge.clients) == (1, 1)
    stage.edge.sweep()
    client.send(b"bye")
    assert await client.rest() == b""
    assert (len(stage.edge.sessions), stage.edge.clients) == (0, 0)
    assert '"path":"/push"' in stage.log()


async def test_the_end_of_the_drain_ends_what_was_taken(stage: Any) -> None:
    guests: list[Guest] = []
    await stage.start()
    stage.ctx.drain = 0.1
    stage.ctx.offer("push", lambda visit: guests.append(Guest(visit)))
    client = await stage.client()
    client.send(b"GET /push HTTP/1.1\r\nHost: api.localhost\r\n\r\n")
    await client.reader.readuntil(b"hello")
    await stage.stop()
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await client.reader.readexactly(1)


async def test_a_client_that_has_gone_can_be_neither_answered_nor_taken(stage: Any) -> None:
    visits: list[Any] = []
    await stage.start()
    stage.ctx.offer("push", visits.append)
    client = await stage.client()
    client.send(b"GET /push HTTP/1.1\r\nHost: api.localhost\r\n\r\n")
    async with asyncio.timeout(10):
        while not visits:
            await asyncio.sleep(0.01)
        # A reset: who only ends its own direction may still listen.
        sock = client.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.writer.transport.abort()
        while not visits[0].gone:
            await asyncio.sleep(0.01)
    visits[0].answer(200, b"", b"")
    assert visits[0].take(asyncio.Protocol(), 200) is None


async def test_an_offer_is_one_modules_until_it_takes_it_back(stage: Any) -> None:
    await stage.start()

    def taker(_visit: Any) -> None:
        """Do nothing."""

    stage.ctx.offer("push", taker)
    with pytest.raises(AlreadyExistsError):
        stage.ctx.offer("push", lambda _visit: None)
    stage.ctx.offer("push", None)
    assert stage.ctx.offered("push") is None
