"""What programs get, what visitors get, and what happens when either goes away."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest


async def test_a_request_reaches_the_program_with_what_the_edge_knows(stage) -> None:
    seen: list[Any] = []
    stage.route("a.test/hello/", prefix="/hello/")
    await stage.program(stage.recorder(seen))
    await stage.start()
    answer = await stage.get("/hello/x?y=1", "A.test:81", "X-Forwarded-For: 6.6.6.6", "X-Real-IP: 6.6.6.6", "A: b")
    assert (answer.status, answer.body, answer.fields["x-program"]) == (200, b"ok", "1")
    assert seen[0].line == b"GET /x?y=1"
    got = seen[0].fields
    assert len(got.pop("x-request-id")) > 12
    assert got == {
        "host": "A.test:81",
        "x-forwarded-for": "127.0.0.1",
        "x-forwarded-proto": "http",
        "x-forwarded-host": "A.test:81",
        "x-forwarded-prefix": "/hello",
        "a": "b",
    }


async def test_both_sides_keep_their_connections(stage) -> None:
    connections = []
    seen: list[Any] = []
    inner = stage.recorder(seen)

    async def counting(reader, writer) -> None:
        connections.append(writer)
        await inner(reader, writer)

    stage.route()
    await stage.program(counting)
    await stage.start()
    client = await stage.client()
    for _ in range(5):
        client.send(b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
        assert (await client.answer()).status == 200
    assert (len(seen), len(connections)) == (5, 1)


async def test_pipelined_requests_are_answered_in_order(stage) -> None:
    seen: list[Any] = []
    stage.route()
    await stage.program(stage.recorder(seen))
    await stage.start()
    client = await stage.client()
    client.send(b"".join(b"GET /%d HTTP/1.1\r\nHost: a.test\r\n\r\n" % number for number in range(50)))
    for _ in range(50):
        assert (await client.answer()).status == 200
    assert [each.line for each in seen] == [b"GET /%d" % number for number in range(50)]


async def test_bodies_reach_the_program_whole_whatever_their_framing(stage) -> None:
    seen: list[Any] = []
    stage.route()
    await stage.program(stage.recorder(seen))
    await stage.start()
    client = await stage.client()
    client.send(b"POST /1 HTTP/1.1\r\nHost: a.test\r\nContent-Length: 200000\r\n\r\n" + b"a" * 200000)
    assert (await client.answer(b"POST")).status == 200
    client.send(b"POST /2 HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n")
    await asyncio.sleep(0)
    client.send(b"1\r\n!\r\n0\r\nTrailer: x\r\n\r\nGET /3 HTTP/1.1\r\nHost: a.test\r\n\r\n")
    assert (await client.answer(b"POST")).status == 200
    assert (await client.answer()).status == 200
    assert [each.body for each in seen] == [b"a" * 200000, b"hello!", b""]
    assert seen[1].fields["transfer-encoding"] == "chunked"


async def test_100_continue_is_given_once_the_program_is_reached(stage) -> None:
    seen: list[Any] = []
    stage.route()
    await stage.program(stage.recorder(seen))
    await stage.start()
    client = await stage.client()
    client.send(b"POST / HTTP/1.1\r\nHost: a.test\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
    assert await client.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    client.send(b"hi")
    assert (await client.answer(b"POST")).status == 200
    assert seen[0].body == b"hi"
    assert "expect" not in seen[0].fields


@pytest.mark.parametrize(
    ("octets", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", b"hello"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x\r\nhello\r\n0\r\nA: b\r\n\r\n", b"hello"),
        (b"HTTP/1.1 200 OK\r\n\r\nhello", b"hello"),
        (b"HTTP/1.0 200 OK\r\n\r\nhello", b"hello"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", b"hello"),
        (b"HTTP/1.1 103 Early Hints\r\nA: b\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", b"hello"),
        (b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", b""),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", b""),
    ],
)
async def test_an_answer_arrives_whole_whatever_its_framing(stage, octets: bytes, body: bytes) -> None:
    stage.route()
    await stage.program(stage.saying(octets, close=True))
    await stage.start()
    client = await stage.client()
    for _ in range(2):
        client.send(b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
        assert (await client.answer()).body == body


async def test_an_http_1_0_client_gets_the_plain_body_and_the_end(stage) -> None:
    stage.route()
    await stage.program(stage.saying(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"))
    await stage.start()
    client = await stage.client()
    client.send(b"GET / HTTP/1.0\r\nHost: a.test\r\n\r\n")
    assert await client.rest() == b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello"


async def test_head_has_a_length_and_no_body(stage) -> None:
    stage.route()
    await stage.program(stage.saying(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"))
    await stage.start()
    client = await stage.client()
    for _ in range(2):
        client.send(b"HEAD / HTTP/1.1\r\nHost: a.test\r\n\r\n")
        answer = await client.answer(b"HEAD")
        assert (answer.fields["content-length"], answer.body) == ("5", b"")


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


async def test_a_slow_program_is_504(stage) -> None:
    async def silent(reader, writer) -> None:
        await reader.read(-1)
        writer.close()

    stage.route(timeout=0.1)
    await stage.program(silent)
    await stage.start()
    assert (await stage.get()).status == 504


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


async def test_a_request_is_held_until_an_instance_is_ready_and_the_agents_are_asked(stage) -> None:
    seen: list[Any] = []
    stage.route()
    await stage.start()
    waiting = asyncio.create_task(stage.get())
    while not stage.woken:
        await asyncio.sleep(0.01)
    assert stage.woken == [{"tenant": "demo", "app": "hello", "release": 1}]
    await stage.program(stage.recorder(seen))
    assert (await waiting).status == 200


async def test_a_request_is_held_no_longer_than_allowed(stage) -> None:
    stage.route()
    await stage.start(hold_seconds=0.1)
    answer = await stage.get()
    assert (answer.status, answer.fields["retry-after"]) == (503, "5")


async def test_too_many_held_requests_are_answered_at_once(stage) -> None:
    stage.route()
    await stage.start(max_held=1)
    first = asyncio.create_task(stage.get())
    await asyncio.sleep(0.1)
    assert (await stage.get()).status == 503
    first.cancel()


async def test_the_log_tells_who_asked_what_and_leaves_the_query_out(stage) -> None:
    stage.route()
    await stage.program(stage.recorder([]))
    await stage.start()
    await stage.get("/path?secret=1")
    (line,) = stage.log().splitlines()
    entry = json.loads(line)
    assert "secret" not in line
    assert entry["seconds"] > 0
    assert {key: entry[key] for key in ("status", "method", "host", "path", "tenant", "app", "peer", "instance")} == {
        "status": 200,
        "method": "GET",
        "host": "a.test",
        "path": "/path",
        "tenant": "demo",
        "app": "hello",
        "peer": "127.0.0.1",
        "instance": "hello.1.web.0",
    }


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
    edge = stage.module._edge
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
