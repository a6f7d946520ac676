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


async def test_trailers_end_at_the_edge_in_both_directions(stage) -> None:
    heads: list[bytes] = []

    async def trailing(reader, writer) -> None:
        heads.append(await reader.readuntil(b"0\r\n"))
        heads.append(await reader.readuntil(b"\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n")
        writer.write(b"2\r\nok\r\n0\r\nX-Sum: 1\r\nContent-Length: 99\r\n\r\n")

    stage.route()
    await stage.program(trailing)
    await stage.start()
    client = await stage.client()
    client.send(
        b"POST / HTTP/1.1\r\nHost: a.test\r\nTE: trailers\r\nTrailer: X-Key\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    client.send(b"2\r\nhi\r\n0\r\nX-Key: 1\r\nHost: b.test\r\n\r\n")
    octets = await client.reader.readuntil(b"0\r\n\r\n")
    assert octets == b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
    assert heads[0].endswith(b"2\r\nhi\r\n0\r\n")
    assert heads[1] == b"\r\n"
    assert b"x-key" not in heads[0].lower()
    assert b"\r\nte:" not in heads[0].lower()


async def test_interim_answers_are_passed_on_but_not_without_end(stage) -> None:
    interim = b"HTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n"
    stage.route()
    await stage.program(stage.saying(interim * 5000, close=True))
    await stage.start()
    client = await stage.client()
    client.send(b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n")
    octets = await client.rest()
    assert octets.startswith(interim * 3)
    assert octets.count(interim) <= 16
    assert b"HTTP/1.1 502 Bad Gateway" in octets
