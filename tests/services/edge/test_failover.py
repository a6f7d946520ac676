"""What a visitor gets when a program answers badly, dies or leaves."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import structlog


@pytest.mark.parametrize(
    "octets",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n",
        b"",
    ],
)
async def test_a_broken_answer_is_502(stage, octets: bytes) -> None:
    stage.route()
    await stage.program(stage.saying(octets, close=True))
    await stage.start(hold_seconds=0.2)
    assert (await stage.get(method="POST")).status == 502


async def test_half_an_answer_is_never_taken_for_a_whole_one(stage) -> None:
    stage.route()
    await stage.program(stage.saying(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello", close=True))
    await stage.start()
    client = await stage.client()
    client.send(b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
    with pytest.raises((EOFError, ConnectionError, Exception)):
        await client.answer()


async def test_a_get_survives_the_death_of_one_of_two_instances(stage) -> None:
    async def dying(reader, writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.abort()

    seen: list[Any] = []
    stage.route()
    await stage.program(dying, 0)
    await stage.program(stage.recorder(seen), 1)
    await stage.start()
    for _ in range(20):
        assert (await stage.get()).status == 200
    assert len(seen) == 20


async def test_a_post_is_not_sent_twice(stage) -> None:
    heads = []

    async def dying(reader, writer) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.transport.abort()

    stage.route()
    await stage.program(dying, 0)
    await stage.program(dying, 1)
    await stage.start()
    assert (await stage.get(method="POST")).status == 502
    assert len(heads) == 1


async def test_a_kept_connection_that_has_gone_stale_is_replaced(stage) -> None:
    stage.route()
    await stage.program(stage.saying(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", close=True))
    await stage.start()
    client = await stage.client()
    for _ in range(10):
        client.send(b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
        assert (await client.answer()).status == 200


async def test_a_draining_instance_gets_nothing_new_and_loses_its_resting_connections(stage) -> None:
    gone = asyncio.Event()
    old: list[Any] = []
    new: list[Any] = []
    inner = stage.recorder(old)

    async def first(reader, writer) -> None:
        await inner(reader, writer)
        gone.set()

    stage.route()
    await stage.program(first, 0)
    await stage.start()
    assert (await stage.get()).status == 200
    await stage.program(stage.recorder(new), 1)
    stage.instance(0, 1, "/nowhere", wanted="draining")
    await asyncio.sleep(0.05)
    for _ in range(5):
        assert (await stage.get()).status == 200
    assert (len(old), len(new)) == (1, 5)
    async with asyncio.timeout(5):
        await gone.wait()


async def test_a_crowd_does_not_overrun_who_hands_out_sockets(stage) -> None:
    seen: list[Any] = []
    stage.route()
    await stage.program(stage.recorder(seen))
    await stage.start()
    clients = [await stage.client() for _ in range(300)]
    with structlog.testing.capture_logs() as lines:
        for client in clients:
            client.send(b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0\r\n\r\n")
        answers = await asyncio.gather(*(client.answer() for client in clients))
    assert {answer.status for answer in answers} == {200}
    assert [line for line in lines if line["event"] == "edge.unreachable"] == []
