"""The watch stream: gap-free, in order, bounded, and over when its process is replaced."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from typing import Any

import msgspec
import pytest

from serai.api.changes import Watch
from serai.api.recent import MOST, OCTETS, Recent, event
from serai.errors import InvalidError
from serai.identity import Grant, Principal
from serai.identity.descriptors import Tenant
from serai.identity.people import Member, User
from serai.identity.principals import Scope
from serai.identity.tokens import issue
from serai.store import Change, Delete

HEAD = b"GET /v1/changes?%s HTTP/1.1\r\nhost: x\r\n\r\n"


async def write(api: Any, count: int, writer: int = 0) -> None:
    for n in range(count):
        await api.store.put("user:root", "test", f"w{writer}", f"w{writer}", Tenant(uid=n))


async def take(api: Any, query: dict[str, Any], count: int) -> list[Any]:
    def read() -> list[Any]:
        with contextlib.closing(api.client.events("/v1/changes", query)) as events:
            return [data for _, _, data in itertools.islice(events, count)]

    return await asyncio.to_thread(read)


async def test_a_stream_tells_all_that_was_and_all_that_comes(api: Any) -> None:
    await write(api, 5)
    following = asyncio.create_task(take(api, {"after": 2}, 103))
    await asyncio.gather(write(api, 50, 1), write(api, 50, 2))
    seen = await following
    assert [one["number"] for one in seen] == list(range(3, 106))
    assert seen[0]["spec"]["uid"] == 2


async def test_a_stream_that_was_cut_goes_on_where_it_was(api: Any) -> None:
    await write(api, 10)
    data = b"GET /v1/changes?end=true HTTP/1.1\r\nhost: x\r\nlast-event-id: 7\r\nconnection: close\r\n\r\n"
    text = (await api.raw(data)).decode()
    assert [line for line in text.splitlines() if line.startswith("id: ")] == ["id: 8", "id: 9", "id: 10", "id: 10"]
    for query, last in ((b"", b"x"), (b"?after=1&end=true", b"x"), (b"", b"")):
        head = b"GET /v1/changes%b HTTP/1.1\r\nhost: x\r\nlast-event-id: %b\r\nconnection: close\r\n\r\n"
        assert (await api.raw(head % (query, last))).startswith(b"HTTP/1.1 400 ")


async def test_a_stream_can_be_narrowed_and_its_end_still_says_how_far_it_looked(api: Any) -> None:
    await write(api, 3, 1)
    await write(api, 3, 2)
    events = await asyncio.to_thread(lambda: list(api.client.events("/v1/changes", {"tenant": "w2", "end": True})))
    assert [(name, number) for name, number, _ in events] == [
        ("change", "4"),
        ("change", "5"),
        ("change", "6"),
        ("end", "6"),
    ]


async def test_a_reader_that_never_reads_holds_up_nobody(api: Any) -> None:
    reader, writer = await asyncio.open_unix_connection(api.path, limit=1)
    writer.write(HEAD % b"after=0")
    await writer.drain()
    await write(api, 3000)
    assert len(await take(api, {"after": 0}, 3000)) == 3000
    writer.transport.abort()
    del reader


async def test_streams_end_when_their_process_is_replaced(api: Any) -> None:
    await write(api, 1)
    following = asyncio.create_task(api.raw(b"GET /v1/changes HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"))
    while api.server.connections == 0:
        await asyncio.sleep(0)
    api.nudge.close()
    assert b"event: end" in await following


def watch_of(api: Any) -> Watch:
    return Watch(api.nudge, Recent(api.store, api.app.state["kinds"]))


async def test_many_streams_get_all_that_two_writers_write_and_the_store_is_read_once(api: Any) -> None:
    reads = []
    recent = Recent(api.store, api.app.state["kinds"])
    read = api.store.changes
    api.store.changes = lambda *arguments: reads.append(arguments) or read(*arguments)
    watch = Watch(api.nudge, recent)

    async def follow() -> list[int]:
        numbers: list[int] = []
        async with contextlib.aclosing(watch.follow(0, None, "", end=False, look=lambda: {"tenant"})) as stream:
            async for piece in stream:
                numbers += [int(line[4:]) for line in piece.split(b"\n") if line.startswith(b"id: ")]
                if len(numbers) >= 2000:
                    return numbers
        return numbers

    following = [asyncio.create_task(follow()) for _ in range(20)]
    await asyncio.gather(write(api, 1000, 1), write(api, 1000, 2))
    assert await asyncio.gather(*following) == [list(range(1, 2001))] * 20
    assert len(reads) < 4000 + 100  # and not 20 times as many
    assert len(recent._held) <= MOST


async def test_what_is_held_is_bounded_and_who_is_behind_reads_for_himself(api: Any) -> None:
    recent = Recent(api.store, api.app.state["kinds"])
    for n in range(60):
        await api.store.put("test", "", "big", "big", Tenant(uid=n, title="x" * 200_000))
    number, seen = 0, []
    while batch := await recent.after(number):
        seen += [one.number for one in batch]
        number = seen[-1]
        assert recent._octets <= OCTETS
    assert seen == list(range(1, 61))
    assert [one.number for one in await recent.after(0)] == list(range(1, 1 + len(await recent.after(0))))


async def test_a_stream_ends_when_its_reader_may_watch_no_more(api: Any) -> None:
    await api.call("PUT", "/v1/tenant/demo/demo", {"uid": 1})
    await api.store.put("test", "", "", "ada", User(email="ada@example.com"))
    await api.store.put("test", "", "demo", "ada", Member(role="viewer"))
    ada = Principal(kind="user", name="ada", user="ada", grants=(Grant("viewer", "demo"),))
    tokens = [
        await issue(api.store, api.desk.directory, ada, name=name, scope=Scope(tenant="demo"), now=api.ctx.clock.now())
        for name in ("one", "two")
    ]

    async def begin(token: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_unix_connection(api.path.with_name("front.sock"))
        head = f"GET /v1/changes?tenant=demo HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\r\n"
        writer.write(head.encode())
        await reader.readuntil(b'"kind":"member"')
        return reader, writer

    async with asyncio.timeout(10):
        (first, one), (second, two) = await asyncio.gather(*(begin(token) for token in tokens))
        await api.store.change("test", "", (Delete("token", "demo", "one"),))
        assert b"event: end" not in await first.readuntil(b"0\r\n\r\n")
        await api.store.change("test", "", (Delete("member", "demo", "ada"),))
        assert b"event: end" not in await second.readuntil(b"0\r\n\r\n")
    for writer in (one, two):
        writer.close()


def test_an_event_is_one_line_of_json_whatever_a_spec_holds() -> None:
    spec = msgspec.msgpack.encode({"title": "a\nb\r\n\r\nevent: forged", "uid": 1})
    text = event(Change(7, "tenant", "a", "a", 1, 1, spec), Tenant)
    assert text.count(b"\n") == 4
    assert text.startswith(b"id: 7\nevent: change\ndata: {")


async def test_a_negative_start_is_refused(api: Any) -> None:
    with pytest.raises(InvalidError):
        await api.call("GET", "/v1/changes", query={"after": -1})
