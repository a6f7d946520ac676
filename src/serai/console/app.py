"""The ASGI application of the console: all pages behind one door, one table of errors, one set of limits."""

from __future__ import annotations

import logging
import time
import urllib.parse
from collections.abc import Callable, Iterable
from contextlib import suppress
from types import ModuleType
from typing import Any

import structlog
from litestar import Litestar
from litestar.datastructures import State
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute
from litestar.types import ASGIApp, Receive, Send
from prometheus_client.core import CollectorRegistry, Counter, Histogram

from serai.api.framework import Bare, number
from serai.api.server import canonical
from serai.console import failures, nav
from serai.console.assets import PREFIX, Assets
from serai.console.depend import form, form_of, visit
from serai.console.forms import MAX_BODY
from serai.console.known import Known
from serai.console.packing import packing
from serai.console.render import Templates
from serai.console.visit import House
from serai.console.wire import Wire
from serai.errors import InternalError, SeraiError

_POLICY = (
    b"default-src 'none'",
    b"script-src 'self'",
    b"style-src 'self'",
    b"connect-src 'self'",
    b"img-src 'self'",
    b"font-src 'self'",
    b"form-action 'self'",
    b"base-uri 'none'",
    b"frame-ancestors 'none'",
)
#: Of every answer. Scripts, styles and pictures come from here or not at all, and nobody frames us (Content Security
#: Policy level 3). The referrer policy is not ``no-referrer``: browsers would then send forms with ``Origin: null``.
FIELDS = (
    (b"content-security-policy", b"; ".join(_POLICY)),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
)
_NOT_KEPT = (b"cache-control", b"no-store")
_BUCKETS = (0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
#: Addresses that browsers and crawlers ask for by themselves.
_WELL_KNOWN = {"/favicon.ico": f"{PREFIX}-/icon.svg", "/robots.txt": f"{PREFIX}-/robots.txt"}

log = structlog.get_logger("console")


def build(wire: Wire, now: Callable[[], float], pages: Iterable[ModuleType] | None = None) -> Litestar:
    """Make the application of this process; ``now`` in seconds since the epoch. ``pages`` are by default all there are.

    `InternalError` where a route that takes a POST says no form.
    """
    pages = list(nav.modules() if pages is None else pages)
    assets = Assets()
    house = House(wire, Known(now), Templates(assets, now), nav.lines(pages), now)
    app = Bare(
        [route for page in pages for route in page.ROUTES],
        dependencies={"visit": Provide(visit), "form": Provide(form, sync_to_thread=False)},
        exception_handlers={
            SeraiError: failures.on_serai_error,
            HTTPException: failures.on_http_exception,
            Exception: failures.on_bug,
        },
        middleware=[_plainly],
        request_max_body_size=MAX_BODY,
        openapi_config=None,
        logging_config=None,
        state=State({"house": house, "assets": assets}),
    )
    for route in app.routes:
        if not isinstance(route, HTTPRoute):
            raise InternalError("A page is served by HTTP.", path=route.path)
        for handler in route.route_handlers:
            if isinstance(handler, HTTPRouteHandler):
                _check(handler)
    return app


def _check(handler: HTTPRouteHandler) -> None:
    """Refuse a handler whose requests could not be told from another site's, or whose form nobody reads."""
    methods = {str(method) for method in handler.http_methods} - {"OPTIONS", "HEAD"}
    if not methods:
        return  # the framework's own, which tells the methods that a path has
    if "visit" not in handler.parsed_fn_signature.parameters:
        raise InternalError("A page has a parameter visit: Visitor, by which it knows who asks.", handler=str(handler))
    if methods == {"POST"}:
        if form_of(handler) is None:
            raise InternalError("A page that takes a POST has a parameter form: Filled[STRUCT].", handler=str(handler))
    elif methods != {"GET"}:
        raise InternalError("A page is got by GET and sent by POST.", handler=str(handler))


def _plainly(app: ASGIApp) -> ASGIApp:
    """Give handlers the text that a path's segments mean; the router has seen them percent-encoded."""

    async def call(scope: Any, receive: Receive, send: Send) -> None:
        with suppress(UnicodeDecodeError):  # what is no text stays as it is, and so names nothing
            given = scope["path_params"].items()
            scope["path_params"] = {name: urllib.parse.unquote(str(value), errors="strict") for name, value in given}
        await app(scope, receive, send)

    return call


class Door:
    """What every request passes first: assets, its canonical path, its ID, its line in the log and in the figures."""

    def __init__(self, app: Litestar, registry: CollectorRegistry) -> None:
        self._app: Any = app
        self._assets: Assets = app.state["assets"]
        self._debug = log.is_enabled_for(logging.DEBUG)
        self._seconds = Histogram(
            "serai_console_request_seconds", "Time to answer with a page.", registry=registry, buckets=_BUCKETS
        )
        self._answers = Counter(
            "serai_console_requests_total", "Pages by class of status.", ("status",), registry=registry
        )

    def at_once(self, _scope: Any, _url: bytes) -> bytes | None:
        """Leave every request to `__call__`."""
        return None

    async def __call__(self, scope: Any, receive: Callable[..., Any], send: Callable[..., Any]) -> None:
        """Serve one request."""
        path = scope["path"] = canonical(scope["raw_path"])
        more = number(scope, FIELDS)
        path = _WELL_KNOWN.get(path, path)
        if path.startswith(PREFIX) and scope["method"] in {"GET", "HEAD"}:
            await self._give(path, scope, more, send)
            return
        begin = time.perf_counter()
        status = 0

        async def answer(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                cookies = [(b"set-cookie", line.encode("latin-1")) for line in scope["state"].get("cookies", ())]
                message["headers"] = [*message["headers"], *cookies, _NOT_KEPT, *more]
            await send(message)

        try:
            await self._app(scope, receive, packing(scope, answer))
        finally:
            seconds = time.perf_counter() - begin
            self._answers.labels(f"{status // 100}xx").inc()
            self._seconds.observe(seconds)
            self._write_line(scope, status, seconds)

    async def _give(self, path: str, scope: Any, more: list[tuple[bytes, bytes]], send: Callable[..., Any]) -> None:
        encodings = next((value for name, value in scope["headers"] if name == b"accept-encoding"), b"")
        status, fields, body = self._assets.answer(path, encodings.decode("latin-1"))
        await send({"type": "http.response.start", "status": status, "headers": [*fields, *more]})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    @staticmethod
    def _write_line(scope: Any, status: int, seconds: float) -> None:
        found = scope["state"].get("visit")
        write = log.debug if scope["method"] in {"GET", "HEAD"} and status < 500 else log.info
        write(
            "console.request",
            request=scope["state"]["request_id"],
            who=f"user:{found.login}" if found is not None and found.login else "nobody",
            method=scope["method"],
            path=scope["path"][:300],
            status=status,
            ms=round(seconds * 1000, 2),
        )
