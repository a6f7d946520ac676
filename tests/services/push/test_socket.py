"""The same events over WebSocket, spoken by another implementation's client."""

from __future__ import annotations

import asyncio
import json
import socket
from contextlib import suppress
from typing import Any

import pytest
import websockets

TENANT = "/v1/push/tenants/demo"


async def said(opened: Any) -> Any:
    async with asyncio.timeout(10):
        return json.loads(await opened.recv())


async def closed(opened: Any) -> None:
    async with asyncio.timeout(10):
        await opened.wait_closed()


async def test_a_visitor_follows_comes_back_and_goes_on(stage: Any) -> None:
    await stage.start()
    ticket = await stage.ticket("news", "sport")
    opened = await stage.socket(f"/.push?ticket={ticket}&channel=news")
    assert (await said(opened))["event"] == "ready"
    number = await stage.publish("news", {"a": [1]}, "paid")
    assert await said(opened) == {"id": number, "event": "paid", "channel": "news", "data": {"a": [1]}}
    await opened.close()
    stays = await stage.follow("news")
    await stage.publish("news", 2)
    await stays.next()
    back = await stage.socket(f"/.push?ticket={ticket}&channel=news&after={number}")
    assert (await said(back))["data"] == {"channels": ["news"], "resumed": True}
    assert (await said(back))["data"] == 2


async def test_channels_come_and_go(stage: Any) -> None:
    await stage.start()
    opened = await stage.socket(f"/.push?ticket={await stage.ticket('a', 'b')}&channel=a")
    await said(opened)
    await opened.send(json.dumps({"do": "subscribe", "channels": ["b"]}))
    assert (await said(opened))["data"]["channels"] == ["a", "b"]
    await stage.publish("b", 1)
    assert (await said(opened))["channel"] == "b"
    await opened.send(json.dumps({"do": "unsubscribe", "channels": ["b"]}))
    await stage.until(lambda: stage.push.hub.channels == ["own/demo/shop/a"])
    await stage.publish("a", 2)
    assert (await said(opened))["channel"] == "a"


async def test_more_channels_of_the_platform_are_asked_for_one_by_one(stage: Any) -> None:
    await stage.start()
    stage.api.may = {"eva": {TENANT: 200}}
    opened = await stage.socket(
        "/push?channel=tenant/demo", "console.localhost", additional_headers={"Cookie": "session=eva"},
        origin="http://console.localhost",
    )  # fmt: skip
    await said(opened)
    await opened.send(json.dumps({"do": "subscribe", "channels": ["tenant/theirs"]}))
    assert (await said(opened))["data"]["code"] == "not_found"
    await opened.send(json.dumps({"do": "subscribe", "channels": ["tasks/demo"]}))
    assert (await said(opened))["data"]["channels"] == ["tasks/demo", "tenant/demo"]


@pytest.mark.parametrize(
    "message",
    [
        "",
        "{",
        "[]",
        '{"do":"dance","channels":["a"]}',
        '{"do":"subscribe","channels":[]}',
        '{"do":"subscribe"}',
        "[" * 9000,
    ],
)
async def test_what_is_no_message_is_told_so_and_nothing_else_happens(stage: Any, message: str) -> None:
    await stage.start()
    opened = await stage.socket(f"/.push?ticket={await stage.ticket('a')}")
    await said(opened)
    await opened.send(message)
    assert (await said(opened))["event"] == "error"
    await opened.send('{"do":"subscribe","channels":["b"]}')
    assert (await said(opened))["data"]["code"] == "denied", "the ticket is not for it"
    await stage.publish("a", 1)
    assert (await said(opened))["data"] == 1


async def test_large_and_binary_messages_and_floods_end_it(stage: Any) -> None:
    await stage.start()
    ticket = await stage.ticket("a")
    for message, code in (("x" * 20_000, 1009), (b"x", 1003)):
        opened = await stage.socket(f"/.push?ticket={ticket}")
        await said(opened)
        await opened.send(message)
        await closed(opened)
        assert opened.close_code == code
    opened = await stage.socket(f"/.push?ticket={ticket}")
    with suppress(websockets.ConnectionClosed):
        for _ in range(200):
            await opened.send("{}")
            await said(opened)
    await closed(opened)
    assert opened.close_code == 1008


async def test_pings_are_answered_and_close_is_mutual(stage: Any) -> None:
    await stage.start()
    opened = await stage.socket(f"/.push?ticket={await stage.ticket('a')}")
    async with asyncio.timeout(10):
        await (await opened.ping(b"hello"))
    await opened.close(4321, "enough")
    assert opened.close_code == 4321
    await stage.until(lambda: not stage.push.hub.clients)


async def test_a_worker_that_goes_says_so(stage: Any) -> None:
    await stage.start()
    opened = await stage.socket(f"/.push?ticket={await stage.ticket('a')}")
    await said(opened)
    await stage.end("push")
    assert (await said(opened))["data"]["code"] == "unavailable"
    await closed(opened)
    assert opened.close_code == 1012


async def test_who_may_no_more_is_told_and_closed(stage: Any) -> None:
    await stage.start()
    opened = await stage.socket(f"/.push?ticket={await stage.ticket('a', seconds=1.0)}")
    await said(opened)
    assert (await said(opened))["data"]["code"] == "denied"
    await closed(opened)
    assert opened.close_code == 1008


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        (("Sec-WebSocket-Version: 8", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="), 426),
        (("Sec-WebSocket-Version: 13",), 400),
        (("Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: short"), 400),
    ],
)
async def test_a_handshake_that_is_none_is_refused(stage: Any, fields: tuple[str, ...], status: int) -> None:
    await stage.start()
    ticket = await stage.ticket("a")
    stream = await stage.connect(
        f"/.push?ticket={ticket}", "app.test", "Upgrade: websocket", "Connection: Upgrade", *fields
    )
    assert stream.status == status


async def test_frames_right_behind_the_handshake_count(stage: Any) -> None:
    await stage.start()
    ticket = await stage.ticket("a", "b")
    sock = socket.create_connection(("127.0.0.1", stage.port))
    wish = b'{"do":"subscribe","channels":["b"]}'
    frame = bytes([0x81, 0x80 | len(wish), 0, 0, 0, 0]) + wish
    head = f"GET /.push?ticket={ticket}&channel=a HTTP/1.1\r\nHost: app.test\r\n"
    head += "Upgrade: websocket\r\nConnection: upgrade\r\n"
    sock.sendall(
        f"{head}Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode() + frame
    )
    await stage.until(lambda: len(stage.push.hub.channels) == 2)
    sock.setblocking(False)
    await asyncio.sleep(0.05)
    assert b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in sock.recv(65536), "the key of RFC 6455's example"
    sock.close()


async def test_what_a_client_says_is_done_in_its_order(stage: Any) -> None:
    await stage.start()
    stage.api.may = {"eva": {TENANT: 200, "/v1/push/apps/demo/shop": 200}}
    opened = await stage.socket(
        "/push?channel=tenant/demo", "console.localhost", additional_headers={"Cookie": "session=eva"}
    )
    await said(opened)
    stage.push._permits.forget()  # so that the next question takes its time
    for wish, channel in (("subscribe", "tasks/demo"), ("unsubscribe", "tasks/demo"), ("subscribe", "app/demo/shop")):
        await opened.send(json.dumps({"do": wish, "channels": [channel]}))
    told: dict[str, Any] = {"channels": []}
    while "app/demo/shop" not in told["channels"]:
        told = (await said(opened))["data"]
    assert told["channels"] == ["app/demo/shop", "tenant/demo"]


async def test_who_no_longer_waits_for_a_channel_begins(stage: Any) -> None:
    await stage.start()
    opened = await stage.socket(f"/.push?ticket={await stage.ticket('a', 'b')}&channel=a")
    await said(opened)
    await stage.end("source")  # so that nobody says what is known of b
    await opened.send(json.dumps({"do": "subscribe", "channels": ["b"], "after": "1.1"}))
    await stage.until(lambda: "own/demo/shop/b" in stage.push.hub.wanted)
    await opened.send(json.dumps({"do": "unsubscribe", "channels": ["b"]}))
    assert (await said(opened))["data"]["channels"] == ["a"]
