"""Server-sent events: from what is said to what a browser reads, and what it gets when it comes back."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serai.identity.descriptors import Tenant
from serai.services.push.config import SourceConfig
from serai.services.push.events import Event, Mark
from serai.services.push.source_module import SourceModule
from serai.store.tasks import NewTask
from serai.tasks import Tasks


async def test_what_is_published_comes_to_all_who_follow_the_channel(stage: Any) -> None:
    await stage.start()
    streams = [await stage.follow("news") for _ in range(3)]
    other = await stage.follow("sport")
    number = await stage.publish("news", {"a": 1}, "paid")
    for stream in streams:
        event = await stream.next()
        assert (event.name, event.data, event.id) == ("paid", {"channel": "news", "data": {"a": 1}}, number)
    await stage.publish("sport", 2)
    assert (await other.next()).data == {"channel": "sport", "data": 2}


async def test_the_head_says_that_nothing_may_keep_or_guess_it(stage: Any) -> None:
    await stage.start()
    head = (await stage.follow("news")).head.lower()
    for line in ("content-type: text/event-stream", "cache-control: no-store", "x-content-type-options: nosniff"):
        assert f"{line}\r\n" in head


async def test_a_client_that_comes_back_gets_what_came_meanwhile(stage: Any) -> None:
    await stage.start()
    stays = await stage.follow("news")
    stream = await stage.follow("news")
    await stage.publish("news", 1)
    assert (await stream.next()).data["data"] == 1
    stream.close()
    for number in (2, 3):
        await stage.publish("news", number)
        await stays.next()
    back = await stage.follow("news", last=stream.last)
    assert [(await back.next()).data["data"] for _ in range(2)] == [2, 3]
    await stage.publish("news", 4)
    assert (await back.next()).data["data"] == 4


async def test_what_was_said_while_nobody_here_followed_is_known_to_the_source(stage: Any) -> None:
    await stage.start()
    stream = await stage.follow("news")
    stream.close()
    await stage.until(lambda: not stage.push.hub.channels)
    await stage.publish("news", 2)
    back = await stage.follow("news", last=stream.last)
    assert (await back.next()).data["data"] == 2


async def test_the_query_says_where_to_go_on_as_the_field_does(stage: Any) -> None:
    await stage.start()
    stream = await stage.follow("news")
    await stage.publish("news", 1)
    again = await stage.follow("news", query=f"&after={stream.last}")
    assert (await again.next()).data["data"] == 1


@pytest.mark.parametrize("last", ["nonsense", "0.0", "123.4", "ffffffffffffffff.999999999999999999"])
async def test_an_id_that_nobody_knows_is_told_as_a_gap(stage: Any, last: str) -> None:
    await stage.start()
    stream = await stage.follow("news", last=last)
    event = await stream.next()
    assert (event.name, event.data) == ("reset", {"channel": "news"})


async def test_more_than_is_kept_is_told_as_a_gap_and_never_left_out_silently(stage: Any) -> None:
    await stage.start(source={"events_per_second": 10_000.0})
    stays = await stage.follow("news")
    stream = await stage.follow("news")
    for number in range(300):
        await stage.publish("news", number)
    for _ in range(300):
        await stays.next()
    back = await stage.follow("news", last=stream.last)
    assert (await back.next()).name == "reset"


async def test_another_source_is_another_life_and_everybody_hears_it(stage: Any) -> None:
    await stage.start()
    stream = await stage.follow("news", "sport")
    await stage.end("source")
    await stage.begin("source", SourceModule(SourceConfig(), stage.ctx))
    resets = [await stream.next(), await stream.next()]
    assert [event.name for event in resets] == ["reset", "reset"]
    assert {event.data["channel"] for event in resets} == {"news", "sport"}
    await stage.publish("news", "new")
    assert (await stream.next()).data["data"] == "new"


async def test_a_lost_message_of_the_feed_is_noticed_and_asked_for(stage: Any) -> None:
    await stage.start()
    stream = await stage.follow("news")
    follower = stage.push._follower
    heard, follower.heard = follower.heard, lambda _batch: None
    await stage.publish("news", 1)
    await stage.until(lambda: stage.source._told == stage.source.number)
    follower.heard = heard
    await stage.publish("news", 2)
    assert [(await stream.next()).data["data"] for _ in range(2)] == [1, 2]


async def test_changes_of_descriptors_are_told_by_name_and_never_by_what_they_hold(stage: Any) -> None:
    await stage.start()
    stage.api.may = {"olaf": {"/v1/push/tenants/-": 200}}
    stream = await stage.own("host", cookie="olaf")
    assert (await stream.next()).name == "ready"
    await stage.ctx.store.put("user:root", "", "", "acme", Tenant(uid=4711))
    event = await stream.next()
    assert event.name == "change"
    told = event.data["data"]
    assert (told["kind"], told["name"], told["version"]) == ("tenant", "acme", 1)
    assert "4711" not in event.text


async def test_tasks_are_told_as_they_are_and_what_they_log(stage: Any) -> None:
    await stage.start()
    tasks = Tasks(stage.ctx.store, stage.ctx.bus)
    stage.api.may = {"eva": {"/v1/push/tenants/demo": 200}}
    stream = await stage.own("tasks/demo")
    assert (await stream.next()).name == "ready"
    name = await tasks.add("user:root", NewTask(function="x.y", tenant="demo", queue="nobody"))
    event = await stream.next()
    assert (event.name, event.data["data"]["id"], event.data["data"]["state"]) == ("task", name, "to_do")
    await tasks.cancel("user:root", name)
    assert (await stream.next()).data["data"]["state"] == "canceled"


@given(
    st.text(max_size=50).map(lambda text: json.dumps(text).encode())
    | st.sampled_from([json.dumps("a\nevent: end\ndata: x\n\n").encode(), b'"\\u2028\\u000a"'])
)
def test_no_data_can_begin_a_line_of_its_own(data: bytes) -> None:
    event = Event(Mark(1, 2), "own/demo/shop/news", "message", data)
    lines = event.lines
    assert lines.count(b"\n") == 4
    assert lines.endswith(b"\n\n")
    assert b"\r" not in lines
    block = lines.decode().split("\n")
    assert json.loads(block[2].removeprefix("data: ")) == {"channel": "news", "data": json.loads(data)}
