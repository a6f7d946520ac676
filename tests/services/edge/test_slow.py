"""Clients and programs that take their time."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest


async def test_a_slow_program_is_504(stage) -> None:
    async def silent(reader, writer) -> None:
        await reader.read(-1)
        writer.close()

    stage.route(timeout=0.1)
    await stage.program(silent)
    await stage.start()
    assert (await stage.get()).status == 504


async def test_a_body_that_trickles_is_408_although_a_piece_always_comes_in_time(stage) -> None:
    stage.route()
    await stage.program(stage.recorder([]))
    await stage.start(body_seconds=0.5, body_rate=1000)
    client = await stage.client()
    client.send(b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n")

    async def trickle() -> None:
        with suppress(ConnectionError):
            while True:
                client.send(b"1\r\nx\r\n")
                await asyncio.sleep(0.05)

    trickling = asyncio.create_task(trickle())
    async with asyncio.timeout(5):
        assert (await client.answer(b"POST")).status == 408
    trickling.cancel()


async def test_a_body_above_the_least_rate_takes_the_time_that_it_needs(stage) -> None:
    seen = []
    stage.route()
    await stage.program(stage.recorder(seen))
    await stage.start(body_seconds=0.5, body_rate=1000)
    client = await stage.client()
    client.send(b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 15000\r\n\r\n")
    for _ in range(15):
        client.send(b"x" * 1000)
        await asyncio.sleep(0.15)
    assert (await client.answer(b"POST")).status == 200
    assert len(seen[0].body) == 15000


async def test_a_body_may_trickle_beside_an_answer_that_has_begun(stage) -> None:
    async def echo(reader, writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while octets := await reader.read(100):
            writer.write(octets)

    stage.route()
    await stage.program(echo)
    await stage.start(body_seconds=0.2, body_rate=1000)
    client = await stage.client()
    client.send(b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n")
    assert b"200 OK" in await client.reader.readuntil(b"\r\n\r\n")
    for _ in range(20):
        client.send(b"1\r\nx\r\n")
        assert await client.reader.readuntil(b"x\r\n") == b"1\r\nx\r\n"
        await asyncio.sleep(0.1)


async def test_a_body_that_the_program_does_not_take_is_504_and_not_the_clients_fault(stage) -> None:
    async def deaf(reader, writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(30)

    stage.route(timeout=1.5)
    await stage.program(deaf)
    await stage.start(body_seconds=0.2, body_rate=1 << 20)
    client = await stage.client()
    client.send(b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: %d\r\n\r\n" % (16 << 20) + b"x" * (16 << 20))
    async with asyncio.timeout(8):
        assert (await client.answer(b"POST")).status == 504


@pytest.mark.parametrize("pause", [None, 0.02])
async def test_a_reader_that_stands_still_or_trickles_is_cut_off(stage, pause: float | None) -> None:
    size = 64 << 20

    async def large(reader, writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        with suppress(ConnectionError):
            for _ in range(size >> 16):
                writer.write(b"x" * 65536)
                await writer.drain()

    stage.route()
    await stage.program(large)
    await stage.start(send_seconds=0.3)
    client = await stage.client()
    client.send(b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
    async with asyncio.timeout(8):
        while stage.edge.sessions or not stage.log():
            if pause is not None:
                await client.reader.read(100)
            await asyncio.sleep(pause or 0.02)
    assert '"status":200' in stage.log()


async def test_a_slow_client_does_not_fill_the_memory(stage) -> None:
    size = 64 << 20
    sent = 0

    async def endless(reader, writer) -> None:
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        while sent < size:
            writer.write(b"x" * 65536)
            sent += 65536
            await writer.drain()

    stage.route()
    await stage.program(endless)
    await stage.start()
    client = await stage.client()
    client.send(b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
    before = -1
    while before != sent:
        before = sent
        await asyncio.sleep(0.2)
    assert sent < size / 2
    await client.reader.readuntil(b"\r\n\r\n")
    got = 0
    while got < size:
        got += len(await client.reader.read(1 << 20))
    assert got == size


async def test_a_slow_program_does_not_fill_the_memory(stage) -> None:
    size = 32 << 20
    go = asyncio.Event()

    async def slow(reader, writer) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        assert b"Content-Length" in head
        await go.wait()
        await reader.readexactly(size)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    stage.route()
    await stage.program(slow)
    await stage.start()
    client = await stage.client()
    client.send(b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: %d\r\n\r\n" % size)
    written = 0
    stuck = False
    while not stuck and written < size:
        client.writer.write(b"x" * 65536)
        written += 65536
        try:
            await asyncio.wait_for(client.writer.drain(), 0.3)
        except TimeoutError:
            stuck = True
    assert written < size / 2
    go.set()
    client.writer.write(b"x" * (size - written))
    assert (await client.answer(b"POST")).status == 200
