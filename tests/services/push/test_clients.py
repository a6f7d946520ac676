"""Who gets in, how long they may stay, and what becomes of those who don't read."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import pytest

from serai.errors import ExhaustedError, InvalidError
from serai.services.push import tickets

TENANT = "/v1/push/tenants/demo"

RUBBISH = b'{"t":"\x80"}'  # as an application may sign it


async def test_somebody_the_api_lets_follows(stage: Any) -> None:
    await stage.start()
    stage.api.may = {"eva": {TENANT: 200, "/v1/push/apps/demo/shop": 200, "/v1/push/tasks/4f": 200}}
    stream = await stage.own("tenant/demo", "tasks/demo", "app/demo/shop", "task/demo/4f")
    assert stream.status == 200
    ready = await stream.next()
    assert ready.data["channels"] == ["app/demo/shop", "task/demo/4f", "tasks/demo", "tenant/demo"]
    assert [path for _, path in stage.api.asked] == [
        TENANT, "/v1/push/apps/demo/shop", "/v1/push/tasks/4f",
    ], "what is allowed once is not asked again at once"  # fmt: skip


@pytest.mark.parametrize(
    ("cookie", "channel", "status"),
    [("", "tenant/demo", 401), ("eva", "tenant/theirs", 404), ("mia", "tenant/demo", 403), ("eva", "host", 404)],
)
async def test_the_api_refuses_and_so_does_push(stage: Any, cookie: str, channel: str, status: int) -> None:
    await stage.start()
    stage.api.may = {"eva": {TENANT: 200}, "mia": {TENANT: 403}}
    stream = await stage.own(channel, cookie=cookie)
    assert stream.status == status
    assert json.loads(stream.body)["status"] == status
    assert ("www-authenticate" in stream.head.lower()) == (status == 401)


async def test_a_task_is_followed_as_its_own_tenants_alone(stage: Any) -> None:
    await stage.start()
    stage.api.may = {"eva": {"/v1/push/tasks/4f": 200}}
    assert (await stage.own("task/theirs/4f")).status == 404, "the API says that it is demo's"


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/push", 400),
        ("/push?channel=bad", 400),
        ("/push?channel=own/demo/shop/news", 400),
        ("/push?channel=tenant/demo%0d%0aX:%20y", 400),
        ("/push?" + "&".join("channel=host" for _ in range(17)), 400),
        ("/push?" + "&".join(f"x{n}=" for n in range(30)), 400),
    ],
)
async def test_what_is_no_question_is_told_so(stage: Any, target: str, status: int) -> None:
    await stage.start()
    stream = await stage.connect(target, "console.localhost", "Cookie: session=eva")
    assert stream.status == status
    assert not stage.api.asked


async def test_only_get_asks_for_events(stage: Any) -> None:
    await stage.start()
    stream = await stage.connect("/push?channel=host", "console.localhost", method="POST")
    assert (stream.status, "allow: get" in stream.head.lower()) == (405, True)


async def test_another_sites_page_can_not_use_a_visitors_cookie(stage: Any) -> None:
    await stage.start()
    stage.api.may = {"eva": {TENANT: 200}}
    foreign = await stage.own("tenant/demo", fields=("Origin: https://evil.test",))
    assert (foreign.status, stage.api.asked) == (403, [])
    assert (await stage.own("tenant/demo", fields=("Origin: http://console.localhost",))).status == 200


async def test_who_may_no_more_is_sent_away_soon_after_rights_change(stage: Any) -> None:
    await stage.start()
    stage.api.may = {"eva": {TENANT: 200}, "mia": {TENANT: 200}}
    eva, mia = await stage.own("tenant/demo"), await stage.own("tenant/demo", cookie="mia")
    assert (await eva.next()).name == (await mia.next()).name == "ready"
    stage.api.may["eva"] = {}
    stage.source.recheck()
    event = await eva.next()
    assert (event.name, event.data["code"]) == ("end", "denied")
    assert await eva.rest() == b""
    assert len(stage.push.hub.clients) == 1


async def test_it_is_asked_again_now_and_then(stage: Any) -> None:
    await stage.start(push={"permit_seconds": 1.0})
    stage.api.may = {"eva": {TENANT: 200}}
    stream = await stage.own("tenant/demo")
    await stream.next()
    stage.api.may["eva"] = {TENANT: 403}
    assert (await stream.next()).name == "end"


async def test_while_the_api_is_away_streams_go_on(stage: Any) -> None:
    await stage.start(push={"permit_seconds": 1.0})
    stage.api.may = {"eva": {TENANT: 200}}
    stream = await stage.own("tenant/demo")
    await stream.next()
    stage.api.may["eva"] = {TENANT: 503}
    asked = len(stage.api.asked)
    await stage.until(lambda: len(stage.api.asked) > asked + 1)
    stage.source.say("tenant/demo", "change", b"{}")
    assert (await stream.next()).name == "change"


async def test_a_ticket_is_for_its_own_application_channels_and_time(stage: Any) -> None:
    await stage.start()
    key = stage.push.hub.key
    now = stage.ctx.clock.now()
    wrong = [
        "", "x.y", "é", tickets.issue(key, "demo", "other", ["news"], now + 60),
        tickets.issue(key, "theirs", "shop", ["news"], now + 60), tickets.issue(key, "demo", "shop", ["news"], now - 1),
        f"{tickets._text(RUBBISH)}.{tickets._text(tickets._tag(key, RUBBISH))}",
        tickets.issue(b"x" * 32, "demo", "shop", ["news"], now + 60), (await stage.ticket("news"))[:-2] + "AA",
    ]  # fmt: skip
    for ticket in wrong:
        stream = await stage.connect(f"/.push?ticket={ticket.encode().hex() if 'é' in ticket else ticket}", "app.test")
        assert stream.status == 403, ticket
    good = await stage.ticket("news", "sport")
    assert (await stage.connect(f"/.push?ticket={good}&channel=gossip", "app.test")).status == 403
    stream = await stage.connect(f"/.push?ticket={good}&channel=sport", "app.test")
    assert (await stream.next()).data["channels"] == ["sport"]


async def test_a_stream_ends_with_its_ticket(stage: Any) -> None:
    await stage.start()
    stream = await stage.follow("news", ticket=await stage.ticket("news", seconds=1.0))
    event = await stream.next()
    assert (event.name, await stream.rest()) == ("end", b"")


async def test_there_are_only_so_many_clients_of_an_address_a_tenant_and_a_user(stage: Any) -> None:
    await stage.start(push={"clients_per_address": 3, "clients_per_tenant": 2, "clients_per_user": 1})
    stage.api.may = {"eva": {TENANT: 200}}
    streams = [await stage.follow("news") for _ in range(2)]
    ticket = await stage.ticket("news")
    assert (await stage.connect(f"/.push?ticket={ticket}", "app.test")).status == 429
    mine = await stage.own("tenant/demo")
    assert (await stage.own("tenant/demo")).status == 429
    mine.close()
    streams[0].close()
    await stage.until(lambda: len(stage.push.hub.clients) == 1)
    assert (await stage.own("tenant/demo")).status == 200, "who left makes room"
    await stage.follow("news")


async def test_a_client_that_does_not_read_is_dropped_and_the_others_do_not_notice(stage: Any) -> None:
    await stage.start(
        push={"unsent_seconds": 0.5, "send_octets": 4096, "unsent_octets": 4096},
        source={"events_per_second": 10_000.0, "octets_per_second": 1e9},
    )
    deaf = await stage.follow("news", receive=4096)
    deaf.writer.transport.pause_reading()
    stream = await stage.follow("news")
    for number in range(200):
        await stage.publish("news", {"number": number, "text": "x" * 4000})
        assert (await stream.next()).data["data"]["number"] == number
        if stage.push.hub.dropped:
            break
    await stage.until(lambda: stage.push.hub.dropped == 1)
    await stage.until(lambda: len(stage.push.hub.clients) == 1)
    await stage.publish("news", "after")
    assert (await stream.next()).data["data"] == "after"


async def test_clients_are_told_when_to_come_back_to_a_worker_that_follows(stage: Any) -> None:
    await stage.start()
    streams = [await stage.follow("news") for _ in range(20)]
    await stage.end("push")
    told = [int(re.fullmatch(rb"retry: (\d+)\n\n", await stream.rest())[1]) for stream in streams]
    assert len(set(told)) > 1, "not all at the same moment"
    assert all(250 <= each < 1000 for each in told)
    assert not stage.modules["edge"].edge.sessions
    assert stage.modules["edge"].edge.clients == 0


async def test_a_stream_is_a_line_in_the_access_log_once_it_is_over(stage: Any) -> None:
    await stage.start()
    stream = await stage.follow("news")
    await stage.publish("news", 1)
    await stream.next()
    stream.close()
    await stage.until(lambda: not stage.push.hub.clients)
    edge = stage.modules["edge"].edge
    edge.access.flush()
    text = "".join(path.read_text() for path in (stage.folder / "logs/edge").glob("access*"))
    entry = json.loads(text.splitlines()[-1])
    assert (entry["status"], entry["path"], entry["tenant"], entry["app"]) == (200, "/.push", "demo", "shop")
    assert entry["sent"] > 200
    assert "ticket" not in text


async def test_a_refusal_keeps_the_connection_and_pipelined_requests_their_order(stage: Any) -> None:
    await stage.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", stage.port)
    bad = b"GET /push HTTP/1.1\r\nHost: console.localhost\r\n\r\n"
    writer.write(bad * 500 + b"GET /push?channel=tenant/demo HTTP/1.1\r\nHost: console.localhost\r\n\r\n" + bad)
    answers = b""
    async with asyncio.timeout(10):
        while answers.count(b"HTTP/1.1 4") < 502:
            answers += await reader.read(65536)
    assert re.findall(rb"HTTP/1.1 (\d+)", answers) == [b"400"] * 500 + [b"401", b"400"]
    writer.close()


async def test_a_client_that_goes_while_it_is_asked_about_leaves_nothing(stage: Any) -> None:
    await stage.start()
    _, writer = await asyncio.open_connection("127.0.0.1", stage.port)
    writer.write(b"GET /push?channel=tenant/demo HTTP/1.1\r\nHost: console.localhost\r\nCookie: session=eva\r\n\r\n")
    stage.api.may = {"eva": {TENANT: 200}}
    await writer.drain()
    writer.transport.abort()
    await stage.until(lambda: stage.modules["edge"].edge.clients == 0)
    await asyncio.sleep(0.05)
    assert not stage.push.hub.clients
    assert not stage.push._gate._crowd._counts


async def test_quiet_streams_show_that_they_live(stage: Any) -> None:
    await stage.start(push={"alive_seconds": 1.0})
    stream = await stage.follow("news")
    assert (await stream.next(comments=True)).lines == [":"]


@pytest.mark.parametrize(
    ("channel", "data", "event"),
    [("a b", b"1", "message"), ("news", b"1", "ready"), ("news", b"1", "a\nb"), ("news", b"1\n2", "x"),
     ("news", b'"' + b"x" * 65536 + b'"', "x"), ("../x", b"1", "x"), ("", b"1", "x")],
)  # fmt: skip
async def test_what_can_not_be_published_is_refused(stage: Any, channel: str, data: bytes, event: str) -> None:
    await stage.start()
    with pytest.raises(InvalidError):
        await stage.publish(channel, data, event)


async def test_one_tenant_can_not_say_too_much_and_another_still_speaks(stage: Any) -> None:
    await stage.start(source={"events_per_second": 5.0})
    for _ in range(10):
        await stage.publish("news", 1)
    with pytest.raises(ExhaustedError):
        await stage.publish("news", 1)
    await stage.publish("news", 1, tenant="theirs")
