"""How connections end: in a drain, and beyond their number."""

from __future__ import annotations

import asyncio


async def test_draining_finishes_what_is_open_and_closes_what_rests(stage) -> None:
    release = asyncio.Event()

    async def slow(reader, writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await release.wait()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    stage.route()
    await stage.program(slow)
    await stage.start(linger_seconds=0.3)
    resting, busy = await stage.client(), await stage.client()
    busy.send(b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
    await asyncio.sleep(0.1)
    stage.serving.cancel()
    assert await resting.rest() == b""
    release.set()
    answer = await busy.answer()
    assert (answer.status, answer.fields["connection"]) == (200, "close")
    assert await busy.rest() == b""


async def test_a_request_that_crosses_the_drain_is_answered(stage) -> None:
    """A client that keeps its connection must never find it closed under the request that it is sending."""
    stage.route()
    await stage.program(stage.recorder([]))
    await stage.start()
    client = await stage.client()
    stage.serving.cancel()
    await asyncio.sleep(0.1)
    client.send(b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
    answer = await client.answer()
    assert (answer.status, answer.fields["connection"]) == (200, "close")
    assert await client.rest() == b""


async def test_a_handshake_that_crosses_the_drain_is_finished_and_its_request_answered(stage) -> None:
    stage.route()
    await stage.program(stage.recorder([]))
    await stage.start()
    edge = stage.edge
    assert edge.arrive("192.0.2.1")  # as a connection that was accepted and still shakes hands
    stage.serving.cancel()
    await asyncio.sleep(0.3)
    assert not stage.serving.done()
    edge.left("192.0.2.1")
    async with asyncio.timeout(2):
        await asyncio.wait([stage.serving])


async def test_connections_beyond_the_limit_are_turned_away(stage) -> None:
    stage.route()
    await stage.start(max_connections=1)
    first = await stage.client()
    await asyncio.sleep(0.05)
    second = await stage.client()
    assert await second.rest() == b""
    first.close()
    assert stage.module.status()["turned_away"] == 1


async def test_an_address_beyond_its_limit_is_turned_away_until_it_leaves(stage) -> None:
    stage.route()
    await stage.program(stage.recorder([]))
    await stage.start(max_per_address=2)
    clients = [await stage.client() for _ in range(2)]
    await asyncio.sleep(0.05)
    assert await (await stage.client()).rest() == b""
    clients[0].close()
    await asyncio.sleep(0.05)
    for _ in range(3):
        assert (await stage.get()).status == 200
        await asyncio.sleep(0.02)
