"""Server-sent events: from what is said to what a browser reads, and what it gets when it comes back."""

from __future__ import annotations

from typing import Any


async def test_what_is_published_comes(stage: Any) -> None:
    await stage.start()
    stream = await stage.follow("news")
    number = await stage.publish("news", {"a": 1})
    event = await stream.next()
    assert (event.name, event.data, event.id) == ("message", {"channel": "news", "data": {"a": 1}}, number)
    assert "text/event-stream" in stream.head
