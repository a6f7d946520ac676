"""Many streams and many connections at once, some of which nobody reads."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import resource
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from litestar.handlers import HTTPRouteHandler

from serai.api.streams import MEDIA_TYPES, Streams
from serai.errors import ExhaustedError
from serai.identity import Principal
from serai.identity.descriptors import Tenant
from serai.identity.principals import Scope
from serai.identity.tokens import issue
from serai.store.contract import Delete, NewTask
from serai.tasks import Tasks

Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@contextlib.asynccontextmanager
async def connected(path: Path, count: int) -> AsyncIterator[list[Ends]]:
    ends = [await asyncio.open_unix_connection(path, limit=1) for _ in range(count)]
    try:
        yield ends
    finally:
        for _, writer in ends:
            writer.transport.abort()


async def begin(ends: Ends, query: str = "", token: str = "") -> bytes:
    """Ask for a stream, and return the head of the answer."""
    reader, writer = ends
    field = f"authorization: Bearer {token}\r\n" if token else ""
    writer.write(f"GET /v1/changes?{query} HTTP/1.1\r\nhost: x\r\n{field}\r\n".encode())
    head = b""
    async with asyncio.timeout(20):
        while b"\r\n\r\n" not in head:
            head += await reader.read(1)
    return head


async def until(done: Any) -> None:
    async with asyncio.timeout(30):
        while not done():
            await asyncio.sleep(0.01)


def test_each_has_so_many_whatever_tokens_they_use() -> None:
    streams = Streams(each=2, most=3)
    ada, bob = Principal(kind="user", name="ada", user="ada"), Principal(kind="user", name="bob", user="bob")
    token = Principal(kind="token", name="-/ci", user="ada")
    leave = [streams.enter(ada), streams.enter(token)]
    for one in (ada, token):
        with pytest.raises(ExhaustedError, match="You have 2 streams open"):
            streams.enter(one)
    streams.enter(bob)
    with pytest.raises(ExhaustedError, match="Too many streams"):
        streams.enter(bob)
    leave.pop()()
    streams.enter(token)
    assert streams.count == 3


async def test_all_that_streams_is_counted(api: Any) -> None:
    streaming = {
        route.path_format
        for route in api.app.routes
        for handler in route.route_handlers
        if isinstance(handler, HTTPRouteHandler) and handler.media_type in MEDIA_TYPES
    }
    assert streaming == {
        "/v1/changes",
        "/v1/tasks/watch",
        "/v1/tasks/{task}/watch",
        "/v1/tasks/{task}/follow",
        "/v1/tasks/{task}/log",
        "/v1/apps/{tenant}/{app}/logs",
        "/v1/apps/{tenant}/{app}/shells/{shell}/output",
    }


STREAMS = ("changes", "tasks/watch", "tasks/{task}/watch", "tasks/{task}/follow", "tasks/{task}/log?follow=true")


@contextlib.asynccontextmanager
async def streaming(api: Any, path: str) -> AsyncIterator[asyncio.StreamReader]:
    """Follow as a person of the tenant demo, past the first octets of the stream."""
    await api.person("ada", ("demo", "developer"))
    task = await Tasks(api.store, api.ctx.bus).add("user:test", NewTask(function="f", tenant="demo"))
    query = path.format(task=task)
    query = f"{query}{'&' if '?' in query else '?'}tenant=demo"
    front = api.path.with_name("front.sock")
    cookies = await api.signed_in()
    async with connected(front, 1) as ((reader, writer),):
        writer.write(f"GET /v1/{query} HTTP/1.1\r\nhost: x\r\ncookie: {cookies}\r\n\r\n".encode())
        async with asyncio.timeout(20):
            assert (await reader.read(12)) == b"HTTP/1.1 200"
        await until(lambda: api.streams.count == 1)
        yield reader


async def ending(reader: asyncio.StreamReader) -> bytes:
    """Return the last octets up to the end of the stream."""
    seen = b""
    async with asyncio.timeout(20):
        while not seen.endswith(b"\r\n0\r\n\r\n"):
            more = await reader.read(1000)
            assert more, f"it was cut: {seen!r}"
            seen += more
    return seen


@pytest.mark.parametrize("path", STREAMS)
async def test_a_stream_ends_in_order_when_its_reader_may_follow_no_more(api: Any, path: str) -> None:
    async with streaming(api, path) as reader:
        await api.store.change("user:root", "test", [Delete("member", "demo", "ada")])
        await ending(reader)
        await until(lambda: not api.streams.count)


@pytest.mark.parametrize("path", STREAMS)
async def test_a_stream_ends_in_order_when_the_process_does(api: Any, path: str) -> None:
    async with streaming(api, path) as reader:
        api.nudge.close()
        await ending(reader)


async def test_one_reader_does_not_take_the_streams_of_others(serve: Any) -> None:
    async with serve(streams=Streams(each=3, most=5)) as api:
        tokens = {}
        for login in ("ada", "bob"):
            await api.person(login, ("demo", "viewer"))
            user, now = api.desk.recogniser.user(login), api.ctx.clock.now()
            scope = Scope(tenant="demo")
            tokens[login] = await issue(api.store, api.desk.directory, user, name=login, scope=scope, now=now)
        front = api.path.with_name("front.sock")
        async with connected(front, 3) as adas:
            for ends in adas:
                assert (await begin(ends, "tenant=demo", tokens["ada"])).startswith(b"HTTP/1.1 200 ")
            refused = await api.front("GET", "/v1/changes?tenant=demo", authorization=f"Bearer {tokens['ada']}")
            assert (refused.status_code, refused.json()["code"]) == (429, "exhausted")
            assert "3 streams" in refused.json()["detail"]
            me = await api.front("GET", "/v1/me", authorization=f"Bearer {tokens['ada']}")
            assert me.status_code == 200, "what has an end goes on"
            async with connected(front, 1) as (bobs,):
                assert (await begin(bobs, "tenant=demo", tokens["bob"])).startswith(b"HTTP/1.1 200 ")
            adas[0][1].transport.abort()
            await until(lambda: api.streams.count == 2)
            async with connected(front, 1) as (again,):
                assert (await begin(again, "tenant=demo", tokens["ada"])).startswith(b"HTTP/1.1 200 ")
        await until(lambda: not api.streams.count)


async def test_a_stream_that_is_refused_or_fails_is_not_counted(api: Any) -> None:
    for query in ("after=-1", "after=x"):
        assert await api.raw(f"GET /v1/changes?{query} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".encode())
    assert (await api.front("GET", "/v1/changes")).status_code == 401
    assert api.streams.count == 0


async def test_readers_that_never_read_are_dropped_cost_little_and_leave_nothing(
    api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serai.api.server.STALLED", 1.0)
    for n in range(80):  # 16 MB of events
        await api.store.put("test", "", "big", "big", Tenant(uid=n, title="x" * 200_000))
    before = asyncio.all_tasks()
    tracemalloc.start()
    try:
        async with connected(api.path, 10) as never:
            for _, writer in never:
                writer.write(b"GET /v1/changes?after=0 HTTP/1.1\r\nhost: x\r\n\r\n")
            await until(lambda: api.streams.count == 10)
            await until(lambda: not api.streams.count)
            await until(lambda: not api.server.connections)
        _, peak = tracemalloc.get_traced_memory()
        gc.collect()
        left, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # Of the 16 MB that wait for each, it has a step of the feed on its way at most, and few read the store at a time.
    assert peak < 48 << 20
    assert left < 8 << 20
    await until(lambda: not asyncio.all_tasks() - before)


async def test_a_slow_reader_gets_all_while_others_are_not_held_up(api: Any) -> None:
    async with connected(api.path, 1) as ((reader, writer),):
        writer.write(b"GET /v1/changes?after=0 HTTP/1.1\r\nhost: x\r\n\r\n")
        await reader.read(1)
        for n in range(500):
            await api.store.put("test", "", "demo", "demo", Tenant(uid=n, title="x" * 2000))
        quick = await asyncio.to_thread(lambda: list(api.client.events("/v1/changes", {"after": 0, "end": True})))
        assert len(quick) == 501
        text, seen = b"", 0
        async with asyncio.timeout(30):
            while seen < 500:
                text = text[-4:] + await reader.read(4096)
                seen += text.count(b"\nid: ") - text[:4].count(b"\nid: ")
        assert seen == 500


async def test_a_thousand_idle_connections_hinder_nobody(api: Any) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 4096:
        pytest.skip("too few descriptors may be open here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 4096), hard))
    try:
        async with connected(api.path.with_name("front.sock"), 1000):
            await until(lambda: api.server.connections >= 1000)
            await api.person("ada", ("demo", "viewer"))
            cookie = await api.signed_in()
            for _ in range(20):
                assert (await api.front("GET", "/v1/me", cookie=cookie)).status_code == 200
            assert await api.call("GET", "/v1/about")
        await until(lambda: api.server.connections < 1000)
        await until(lambda: api.server.connections <= 1)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
