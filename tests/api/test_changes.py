"""The watch stream: gap-free, in order, bounded, and over when its process is replaced."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from typing import Any

import msgspec
import pytest

from serai.api.changes import Watch, event
from serai.api.nudge import Nudge
from serai.cloud.descriptors import Route
from serai.errors import InvalidError
from serai.identity.descriptors import Tenant
from serai.services.apps.descriptors import App
from serai.store import Change

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
    bad = await api.raw(b"GET /v1/changes HTTP/1.1\r\nhost: x\r\nlast-event-id: x\r\nconnection: close\r\n\r\n")
    assert bad.startswith(b"HTTP/1.1 400 ")


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


async def test_there_are_at_most_so_many_streams(api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serai.api.changes.MAX_STREAMS", 0)
    answer = await api.raw(b"GET /v1/changes HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 429 ")


async def test_a_stream_that_nobody_reads_any_more_is_given_back(api: Any) -> None:
    watch = Watch(Nudge())
    stream = watch.follow(api.store, 0, None, "", end=False, visible={"app": App, "tenant": Tenant, "route": Route})
    await anext(stream)
    assert watch.streams == 1
    await stream.aclose()
    assert watch.streams == 0


def test_an_event_is_one_line_of_json_whatever_a_spec_holds() -> None:
    spec = msgspec.msgpack.encode({"title": "a\nb\r\n\r\nevent: forged", "uid": 1})
    text = event(Change(7, "tenant", "a", "a", 1, 1, spec), Tenant)
    assert text.count(b"\n") == 4
    assert text.startswith(b"id: 7\nevent: change\ndata: {")


async def test_a_negative_start_is_refused(api: Any) -> None:
    with pytest.raises(InvalidError):
        await api.call("GET", "/v1/changes", query={"after": -1})
