"""What the edge answers by itself, and that the connection is safe afterwards."""

from __future__ import annotations

import asyncio
import ssl
from datetime import UTC, datetime
from typing import Any

import pytest

from serai.services.edge.authority import Authority

GOOD = b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"


@pytest.mark.parametrize(
    ("octets", "status"),
    [
        (b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a.test\r\nHost: b.test\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a.test\n\r\n\r\n", 400),
        (b"GET / HTTP/1.1\nHost: a.test\n\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a.test\r\nA: b\r\n c\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost : a.test\r\n\r\n", 400),
        (b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\nHost: a.test\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nHost: a.test\r\nA: " + b"x" * 40000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: a.test\r\n" + b"A: b\r\n" * 200 + b"\r\n", 431),
        (b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
        (b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"CONNECT b.test:443 HTTP/1.1\r\nHost: b.test:443\r\n\r\n", 501),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    ],
)
async def test_what_is_malformed_is_answered_and_nothing_after_it_is_read(stage, octets: bytes, status: int) -> None:
    seen: list[Any] = []
    stage.route()
    await stage.program(stage.recorder(seen))
    await stage.start()
    client = await stage.client()
    client.send(octets + GOOD)
    answer = await client.answer()
    assert (answer.status, answer.fields["connection"]) == (status, "close")
    assert await client.rest() == b""
    assert not any(each.line == b"GET /" for each in seen)


async def test_an_unknown_host_is_404_and_keeps_the_connection(stage) -> None:
    stage.route()
    await stage.program(stage.recorder([]))
    await stage.start()
    client = await stage.client()
    client.send(b"GET / HTTP/1.1\r\nHost: b.test\r\nAccept: text/html\r\n\r\n" + GOOD)
    answer = await client.answer()
    assert (answer.status, answer.fields["content-type"]) == (404, "text/html; charset=utf-8")
    assert b"There is no site" in answer.body
    assert (await client.answer()).status == 200


async def test_a_body_beyond_the_route_is_413_by_its_length_or_as_it_comes(stage) -> None:
    stage.route(max_body=10)
    await stage.program(stage.recorder([]))
    await stage.start()
    for octets in (
        b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 11\r\n\r\nhello world",
        b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\nb\r\nhello world\r\n0\r\n\r\n",
    ):
        client = await stage.client()
        client.send(octets)
        assert (await client.answer(b"POST")).status == 413
        assert await client.rest() == b""


async def test_a_slow_head_and_a_slow_body_are_408(stage) -> None:
    stage.route()
    await stage.program(stage.recorder([]))
    await stage.start(head_seconds=0.1, body_seconds=0.1)
    for octets in (b"GET / HT", b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 9\r\n\r\nhello"):
        client = await stage.client()
        client.send(octets)
        assert (await client.answer(b"POST")).status == 408


async def test_a_connection_that_rests_is_closed_without_a_word(stage) -> None:
    stage.route()
    await stage.program(stage.recorder([]))
    await stage.start(idle_seconds=0.1)
    client = await stage.client()
    client.send(GOOD)
    assert (await client.answer()).status == 200
    assert await client.rest() == b""


async def test_a_half_closed_client_gets_its_answer(stage) -> None:
    stage.route()
    await stage.program(stage.recorder([]))
    await stage.start()
    client = await stage.client()
    client.send(GOOD)
    client.writer.write_eof()
    answer = await client.answer()
    assert (answer.status, answer.body) == (200, b"ok")
    assert await client.rest() == b""


async def test_octet_by_octet_is_the_same_request(stage) -> None:
    seen: list[Any] = []
    stage.route()
    await stage.program(stage.recorder(seen))
    await stage.start()
    client = await stage.client()
    octets = b"\r\nPOST /a HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    for octet in octets:
        client.send(bytes([octet]))
        await asyncio.sleep(0.001)
    assert (await client.answer(b"POST")).status == 200
    assert (seen[0].line, seen[0].body) == (b"POST /a", b"abc")


async def test_options_of_the_server_itself_is_answered_here(stage) -> None:
    stage.route()
    await stage.start()
    answer = await stage.get("*", method="OPTIONS")
    assert (answer.status, answer.fields["allow"]) == (204, "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")


async def test_a_missing_final_slash_and_a_redirecting_route_lead_on(stage) -> None:
    stage.route("a.test/hello/", prefix="/hello/")
    stage.route("old.test/", target="redirect", location="https://new.test/")
    await stage.start()
    answer = await stage.get("/hello?x=1")
    assert (answer.status, answer.fields["location"]) == (308, "/hello/?x=1")
    assert (await stage.get("/", "old.test")).fields["location"] == "https://new.test/"


async def test_plain_http_leads_to_https_for_known_hosts(stage) -> None:
    stage.route()
    await stage.start(https=("tcp://127.0.0.1:8443",), redirect_http=True)
    assert (await stage.get("/x?y")).fields["location"] == "https://a.test:8443/x?y"
    assert (await stage.get("/", "b.test")).status == 404


async def test_the_longest_path_wins_and_dots_do_not_leave_it(stage) -> None:
    seen: list[Any] = []
    stage.route("a.test/")
    stage.route("a.test/x/", prefix="/x/")
    stage.route("a.test/x/1/", prefix="/x/1/")
    await stage.program(stage.recorder(seen))
    await stage.start()
    for target in ("/y", "/x/y", "/x/1/y", "/x/1/../y", "/?/x/1/"):
        await stage.get(target)
    assert [each.line for each in seen] == [b"GET /y", b"GET /y", b"GET /y", b"GET /../y", b"GET /?/x/1/"]
    assert [each.fields.get("x-forwarded-prefix") for each in seen] == [None, "/x", "/x/1", "/x/1", None]


async def test_a_host_that_tls_was_not_made_for_is_421(stage, tmp_path) -> None:
    authority = Authority(tmp_path / "data" / "tls", "test")
    now = datetime.now(UTC)
    authority.open(now)
    for name in ("a.test", "b.test"):
        authority.ensure(name, now)
        stage.route(f"{name}/")
    await stage.program(stage.recorder([]))
    await stage.start(https=("tcp://127.0.0.1:8443",))
    trust = ssl.create_default_context(cafile=str(tmp_path / "data" / "tls" / "ca.pem"))
    client = await stage.client(trust, "a.test")
    client.send(GOOD + b"GET / HTTP/1.1\r\nHost: b.test\r\n\r\n" + GOOD)
    assert [(await client.answer()).status for _ in range(3)] == [200, 421, 200]
