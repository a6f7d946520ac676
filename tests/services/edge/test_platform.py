"""The platform's own names: what leads to the API, what it is told, and what happens while it is replaced."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from serai.cloud.descriptors import Route
from serai.errors import InvalidError
from serai.identity.descriptors import PLATFORM_NAMES, Tenant
from serai.identity.tenants import create_tenant
from serai.services.edge import platform
from serai.store.open import open_store

API = "api.localhost"
CONSOLE = "console.localhost"


def listener(stage: Any, name: str = "front") -> socket.socket:
    """Return a socket of the platform as the supervisor holds it."""
    path = stage.folder / f"run/{name}.sock"
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(str(path))
    sock.listen(64)
    stage.stack.callback(sock.close)
    return sock


@asynccontextmanager
async def answering(held: socket.socket, handler: Any) -> AsyncIterator[list[Any]]:
    """Answer on a socket that is held by somebody else, as a worker does; its connections end with it."""
    writers: list[Any] = []

    async def handle(reader: Any, writer: Any) -> None:
        writers.append(writer)
        await handler(reader, writer)

    server = await asyncio.start_unix_server(handle, sock=held.dup())
    try:
        yield writers
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()


async def test_both_names_lead_to_the_api_even_before_anything_is_known(stage) -> None:
    seen: list[Any] = []
    await stage.start()
    async with answering(listener(stage), stage.recorder(seen)) as connections:
        client = await stage.client()
        for name in PLATFORM_NAMES:
            client.send(f"GET /v1/me?a=b HTTP/1.1\r\nHost: {name}.localhost:8443\r\n\r\n".encode())
            assert (await client.answer()).status == 200
        assert [one.line for one in seen] == [b"GET /v1/me?a=b"] * 2
        assert len(connections) == 1, "connections are kept"
    entries = [json.loads(line) for line in stage.log().splitlines()]
    assert [(one["host"], one["path"], one["tenant"]) for one in entries] == [
        (f"{name}.localhost", "/v1/me", "-") for name in PLATFORM_NAMES
    ]
    assert stage.edge.gauges()["instances"] == 0


async def test_the_consoles_name_leads_to_its_pages_and_below_v1_to_the_api(stage) -> None:
    api: list[Any] = []
    pages: list[Any] = []
    await stage.start()
    async with (
        answering(listener(stage), stage.recorder(api)),
        answering(listener(stage, "console"), stage.recorder(pages)),
    ):
        for path in ("/", "/v1/me", "/v1/a/b?c", "/v2/", "/v1x", "/tenants/v1/"):
            assert (await stage.get(path, CONSOLE)).status == 200
        moved = await stage.get("/v1?x=1", CONSOLE)
    assert (moved.status, moved.fields["location"]) == (308, "/v1/?x=1")
    assert [one.line for one in api] == [b"GET /v1/me", b"GET /v1/a/b?c"]
    assert [one.line for one in pages] == [b"GET /", b"GET /v2/", b"GET /v1x", b"GET /tenants/v1/"]


async def test_a_request_waits_while_the_console_is_replaced(stage) -> None:
    seen: list[Any] = []
    await stage.start()
    held = listener(stage, "console")
    waiting = asyncio.create_task(stage.get("/", CONSOLE))
    while not stage.edge.sessions:
        await asyncio.sleep(0)
    async with answering(held, stage.recorder(seen)):
        assert (await waiting).status == 200


async def test_where_no_console_is_wanted_its_name_leads_to_the_api(stage) -> None:
    seen: list[Any] = []
    await stage.start(console="")
    async with answering(listener(stage), stage.recorder(seen)):
        assert (await stage.get("/", CONSOLE)).status == 200
    assert [one.line for one in seen] == [b"GET /"]


async def test_what_a_client_says_about_itself_is_dropped(stage) -> None:
    seen: list[Any] = []
    await stage.start()
    lies = [
        f"{name}: 6.6.6.6"
        for name in ("X-Forwarded-For", "x-forwarded-for", "X-FORWARDED-HOST", "Forwarded", "X-Real-IP", "X-Request-ID")
    ]
    async with answering(listener(stage), stage.recorder(seen)):
        answer = await stage.get("/", API, *lies, "X-Forwarded-Proto: https", "Authorization: Bearer x")
    assert answer.status == 200
    got = seen[0].fields
    assert "6.6.6.6" not in str(got)
    assert (got["x-forwarded-for"], got["x-forwarded-proto"], got["authorization"]) == ("127.0.0.1", "http", "Bearer x")


async def test_no_route_of_a_tenants_comes_before_the_platform(stage) -> None:
    seen: list[Any] = []
    stage.route(f"{API}/")
    stage.route(f"{API}/v1/", target="redirect", location="https://evil.test/")
    stage.route("*.localhost/")
    await stage.program(stage.saying(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"))
    await stage.start()
    async with answering(listener(stage), stage.recorder(seen)):
        for path in ("/", "/v1/me"):
            assert (await stage.get(path, API)).body == b"ok"


async def test_plain_http_is_sent_on_to_https(stage) -> None:
    await stage.start(redirect_http=True, https=("tcp://127.0.0.1:8443",))
    answer = await stage.get("/v1/me?a=b", API)
    assert (answer.status, answer.fields["location"]) == (308, f"https://{API}:8443/v1/me?a=b")


async def test_a_request_waits_for_the_next_worker_of_the_api(stage) -> None:
    seen: list[Any] = []
    held = listener(stage)
    await stage.start()
    async with answering(held, stage.recorder(seen)) as connections:
        assert (await stage.get("/1", API)).status == 200
        connections[0].transport.abort()
    # Nobody accepts now, and the connection that rested is gone.
    waiting = [asyncio.create_task(stage.get(f"/{number}", API, method="DELETE")) for number in (2, 3)]
    await asyncio.sleep(0.05)
    async with answering(held, stage.recorder(seen)):
        assert [answer.status for answer in await asyncio.gather(*waiting)] == [200, 200]


async def test_a_safe_request_whose_worker_dies_is_asked_again_and_no_other(stage) -> None:
    held = listener(stage)
    count = 0

    async def dying(reader: Any, writer: Any) -> None:
        nonlocal count
        await reader.readuntil(b"\r\n\r\n")
        count += 1
        if count in {1, 3}:
            writer.transport.abort()
        else:
            writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")

    await stage.start()
    async with answering(held, dying):
        assert (await stage.get("/", API)).status == 204
        assert (await stage.get("/", API, method="POST")).status == 502
    assert count == 3


async def test_what_changes_something_never_meets_a_closing_connection(stage) -> None:
    seen: list[Any] = []
    await stage.start()
    async with answering(listener(stage), stage.recorder(seen)) as connections:
        for method in ("GET", "POST", "DELETE", "GET"):
            assert (await stage.get("/", API, method=method)).status == 200
        assert len(connections) == 3


async def test_without_an_api_a_visitor_is_told_to_try_again(stage) -> None:
    await stage.start(hold_seconds=0.2)
    answer = await stage.get("/", API)
    assert (answer.status, answer.fields["retry-after"]) == (503, "5")
    seen: list[Any] = []
    waiting = asyncio.create_task(stage.get("/", API))
    await asyncio.sleep(0.05)
    async with answering(listener(stage), stage.recorder(seen)):
        stage.edge.platform.ejected_until = 0.0
        assert (await waiting).status == 200


async def test_bodies_of_any_size_go_through_in_pieces(stage) -> None:
    seen: list[Any] = []
    stage.route("a.test/", max_body=10)
    await stage.start()
    async with answering(listener(stage), stage.recorder(seen)):
        client = await stage.client()
        size = 8 << 20
        client.send(f"PUT /v1/blobs HTTP/1.1\r\nHost: {API}\r\nContent-Length: {size}\r\n\r\n".encode())
        for _ in range(8):
            client.send(b"x" * (1 << 20))
            await client.writer.drain()
        assert (await client.answer()).status == 200
        client.send(f"PUT / HTTP/1.1\r\nHost: {API}\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n".encode())
        client.send(b"0\r\n\r\n")
        assert (await client.answer()).status == 200
    assert [len(one.body) for one in seen] == [size, 3]


async def test_events_come_one_by_one(stage) -> None:
    turn = asyncio.Event()

    async def events(reader: Any, writer: Any) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            await turn.wait()
            turn.clear()
            writer.write(b"9\r\ndata: 1\n\n\r\n")

    await stage.start()
    async with answering(listener(stage), events):
        client = await stage.client()
        client.send(f"GET /v1/changes HTTP/1.1\r\nHost: {API}\r\n\r\n".encode())
        async with asyncio.timeout(5):
            assert (await client.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
            for _ in range(3):
                turn.set()
                assert await client.reader.readuntil(b"\n\n\r\n") == b"9\r\ndata: 1\n\n\r\n"


async def test_the_platforms_names_are_nobodys() -> None:
    store = open_store("memory:")
    for name in PLATFORM_NAMES:
        with pytest.raises(InvalidError):
            await create_tenant(store, "user:root", name, Tenant(uid=0))
    assert Tenant.NAME.fullmatch("api-shop")


def test_the_platforms_figures_have_a_name_that_no_tenant_has() -> None:
    assert not Tenant.NAME.fullmatch(platform.TENANT)
    assert not Route.NAME.fullmatch(f"{platform.TENANT}/")


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx-request-id: %b\r\n\r\nok", b"ok"),
        (b"HTTP/1.1 200 OK\r\nx-request-id: %b\r\ncontent-length: 2\r\n\r\nok", b"ok"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nx-request-id: %b\r\n\r\n", b""),
        (b"HTTP/1.1 204 No Content\r\nx-request-id: %b\r\n\r\n", b""),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nx-request-id: %b\r\n\r\n2\r\nok\r\n0\r\n\r\n", b"ok"),
        (b"HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\nconnection: close\r\nx-request-id: %b\r\n\r\nno", b"no"),
    ],
)
@pytest.mark.parametrize("cut", [0, 20, -3])
async def test_an_answer_keeps_its_number_however_it_is_written(stage, answer: bytes, body: bytes, cut: int) -> None:
    numbers: list[bytes] = []

    async def numbered(reader: Any, writer: Any) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            numbers.append(re.search(rb"(?i)x-request-id: (\S+)", head)[1])
            octets = answer % numbers[-1]
            for piece in (octets[:cut], octets[cut:]) if cut else (octets,):
                writer.write(piece)
                await asyncio.sleep(0.01)

    await stage.start()
    async with answering(listener(stage), numbered):
        client = await stage.client()
        for number in range(4):
            client.send(f"GET /{number} HTTP/1.1\r\nHost: {API}\r\n\r\n".encode())
            got = await client.answer()
            assert (got.status, got.body) == (int(answer.split()[1]), body)
            assert got.fields["x-request-id"] == numbers[-1].decode()
    assert len(set(numbers)) == 4


async def test_an_answer_longer_than_it_says_is_passed_to_nobody(stage) -> None:
    async def long(reader: Any, writer: Any) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        number = re.search(rb"(?i)x-request-id: (\S+)", head)[1]
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx-request-id: %b\r\n\r\nokHTTP/1.1 200 OK\r\n" % number)

    await stage.start()
    async with answering(listener(stage), long):
        assert (await stage.get("/", API)).status == 502
