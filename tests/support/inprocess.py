"""Requests to an ASGI application in this very process, without sockets and without a turn of threads between."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable, Collection, Coroutine, Mapping
from typing import Any
from urllib.parse import urlsplit

from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from urllib3 import HTTPHeaderDict, HTTPResponse

PATIENCE = 30.0  # seconds: whoever waits for ever shall not stop all tests

Application = Callable[..., Coroutine[Any, Any, None]]


class InProcess:
    """What stands in the place of `requests.adapters.HTTPAdapter.send`; one thread at a time runs the loop.

    The client of a stream, by its ``endless`` media type, leaves with its first octets. ``count`` is of requests.
    """

    def __init__(
        self,
        app: Application,
        loop: asyncio.AbstractEventLoop,
        state: Mapping[str, Any],
        endless: Collection[str] = (),
    ) -> None:
        self._app = app
        self._loop = loop
        self._state = state
        self._endless = {one.encode() for one in endless}
        self.count = 0

    def send(self, request: PreparedRequest) -> Response:
        """Answer a request."""
        self.count += 1
        status, headers, body = self._loop.run_until_complete(self._served(request))
        raw = HTTPResponse(
            io.BytesIO(body),
            HTTPHeaderDict([(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]),
            status,
            version=11,
            preload_content=False,
        )
        return HTTPAdapter().build_response(request, raw)

    async def _served(self, request: PreparedRequest) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        told: list[Any] = []
        given = [{"type": "http.request", "body": _octets(request.body)}]

        gone = asyncio.Event()

        async def receive() -> Any:
            if given:
                return given.pop()
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            told.append(message)
            if message.get("body") and self._is_endless(told[0]["headers"]):
                gone.set()

        serving = asyncio.create_task(self._app(self._scope(request), receive, send))
        done, _ = await asyncio.wait({serving}, timeout=PATIENCE)
        gone.set()
        if not done:
            await asyncio.wait({serving}, timeout=PATIENCE)
        serving.result()  # what the application raises is the test's to see
        return told[0]["status"], told[0]["headers"], b"".join(one.get("body", b"") for one in told[1:])

    def _is_endless(self, headers: list[tuple[bytes, bytes]]) -> bool:
        return dict(headers).get(b"content-type", b"").partition(b";")[0] in self._endless

    def _scope(self, request: PreparedRequest) -> dict[str, Any]:
        url = urlsplit(str(request.url))
        fields = [(_octets(name).lower(), _octets(value).strip()) for name, value in request.headers.items()]
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": request.method,
            "scheme": "http",
            "path": url.path,
            "raw_path": url.path.encode(),
            "query_string": url.query.encode(),
            "root_path": "",
            "headers": [(b"host", url.netloc.encode()), *fields],
            "client": None,
            "server": None,
            "state": dict(self._state),
        }


def _octets(given: Any) -> bytes:
    if isinstance(given, (bytes, type(None))):
        return given or b""
    if not isinstance(given, str):
        return b"".join(given)  # a body in pieces
    return given.encode("latin-1")
