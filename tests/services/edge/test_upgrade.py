"""Upgraded connections: octets both ways, until one side has had enough."""

from __future__ import annotations

import asyncio

ASK = b"GET /ws HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: k\r\n\r\n"
AGREE = (
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: v\r\n\r\n"
)


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    assert b"Connection: Upgrade\r\nUpgrade: websocket\r\n" in head
    writer.write(AGREE + b"hello")
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


async def test_octets_pass_both_ways_after_101(stage) -> None:
    stage.route()
    await stage.program(echo)
    await stage.start()
    client = await stage.client()
    client.send(ASK)
    head = await client.reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101 ")
    assert b"Connection: Upgrade\r\nUpgrade: websocket\r\n" in head
    assert b"Sec-WebSocket-Accept: v\r\n" in head
    assert await client.reader.readexactly(5) == b"hello"
    for size in (1, 1000, 1_000_000):
        client.send(b"x" * size)
        async with asyncio.timeout(10):
            assert await client.reader.readexactly(size) == b"x" * size
    client.writer.write_eof()
    assert await client.rest() == b""
    await asyncio.sleep(0.05)
    assert '"status":101' in stage.log()
    assert stage.module.status()["connections"] == 0
    assert stage.module.status()["upstream_connections"] == 0


async def test_a_refused_upgrade_is_an_answer_like_any_other(stage) -> None:
    stage.route()
    await stage.program(stage.recorder([]))
    await stage.start()
    client = await stage.client()
    client.send(ASK + b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
    assert [(await client.answer()).status for _ in range(2)] == [200, 200]


async def test_a_silent_relay_ends(stage) -> None:
    stage.route()
    await stage.program(echo)
    await stage.start(relay_seconds=0.1)
    client = await stage.client()
    client.send(ASK)
    assert (await client.rest()).endswith(b"hello")


async def test_the_death_of_the_program_ends_the_connection(stage) -> None:
    async def dying(reader, writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(AGREE)
        await asyncio.sleep(0.05)
        writer.transport.abort()

    stage.route()
    await stage.program(dying)
    await stage.start()
    client = await stage.client()
    client.send(ASK)
    assert (await client.rest()).endswith(b"\r\n\r\n")
