"""Asking instances how they are."""

from __future__ import annotations

import asyncio

import pytest

from serai.protocols.http import RemoteProtocolError
from serai.services.edge.health import ask


async def test_an_instance_is_asked_for_a_path(stage) -> None:
    seen: list[bytes] = []

    async def answering(reader, writer) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")

    server = await stage.program(answering)
    port = server.sockets[0].getsockname()[1]
    assert await ask(stage.connector(), port, "/up?x") == 503
    assert seen[0].startswith(b"GET /up?x HTTP/1.1\r\nHost: localhost\r\n")


async def test_nonsense_is_not_an_answer(stage) -> None:
    for octets in (b"nonsense\r\n\r\n", b"", b"x" * 100_000):
        server = await stage.program(stage.saying(octets, close=True))
        with pytest.raises(RemoteProtocolError):
            await ask(stage.connector(), server.sockets[0].getsockname()[1], "/")


async def test_who_answers_badly_gets_nothing(stage) -> None:
    asked = []

    async def sick(reader, writer) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            asked.append(head.split(b" ")[1])
            status = b"500 No" if asked[-1] == b"/up" else b"200 OK"
            writer.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\n\r\n")

    healthy: list[object] = []
    stage.route()
    await stage.program(sick, 0)
    await stage.program(stage.recorder(healthy), 1)
    await stage.start(health_path="/up", health_seconds=0.05, eject_seconds=5)
    assert (await stage.get()).status == 200
    async with asyncio.timeout(5):
        while b"/up" not in asked:
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    before = len([path for path in asked if path == b"/"])
    for _ in range(10):
        assert (await stage.get()).status == 200
    assert len([path for path in asked if path == b"/"]) == before
