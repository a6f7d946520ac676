"""HEAD, for every path that has GET: the same answer without its content (RFC 9110 section 9.3.2)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Protocol

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class Application(Protocol):
    """What is served: an ASGI application that gives some answers without a task of their own."""

    def at_once(self, scope: Any, url: bytes) -> bytes | None:
        """Return the whole response to a GET, None where the request is to be served as any other."""
        ...

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve a request."""
        ...


class Headed:
    """Serve an application that knows no HEAD to those who ask by it: it is asked as by GET."""

    def __init__(self, app: Application) -> None:
        self._app = app
        self.at_once = app.at_once

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        over = False

        async def head(message: Message) -> None:
            nonlocal over
            if message["type"] == "http.response.start":
                await send(message)
            elif not over:
                # All of it is here: a stream hears that nobody listens to the rest.
                over = True
                await send({"type": "http.response.body", "body": b""})

        await self._app({**scope, "method": "GET"}, receive, head)
