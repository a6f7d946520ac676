"""The ASGI application: all routes behind one guard, one table of errors, one set of limits."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import structlog
from litestar import Litestar
from litestar.datastructures import State
from litestar.exceptions import HTTPException
from litestar.types import ControllerRouterHandler
from prometheus_client.core import CollectorRegistry, Counter, Histogram

from serai.api import (
    accounts,
    apply,
    attention,
    audit,
    blobs,
    changes,
    copied,
    descriptors,
    export,
    factors,
    hosts,
    invitations,
    machine,
    openapi,
    people,
    problems,
    sessions,
    tasks,
    tenants,
    tokens,
    undelete,
)
from serai.api.bodies import Strict
from serai.api.depend import House, dependencies
from serai.api.desk import Desk
from serai.api.entrance import Entrance
from serai.api.framework import AS_OF, Bare, Fields, number
from serai.api.guard import LEAVE, Guard, allowed_methods
from serai.api.kinds import Kinds
from serai.api.nudge import Nudge
from serai.api.pace import Pace, Rates
from serai.api.reads import OK, Reads
from serai.api.recent import Recent
from serai.api.server import canonical
from serai.api.shortcut import Shortcut, fields_of, keeping, octets_of
from serai.api.streams import Ending, Streams
from serai.daemon.module import Context
from serai.daemon.service import Service, load
from serai.errors import SeraiError
from serai.store import Store

RATES = Rates()
MAX_BODY = 1 << 20  # octets of a body that is not a stream

#: No answer here is a page: a browser that is led to one shows nothing of it as such, runs nothing, and frames nothing
#: (Content Security Policy level 3, sections 6.1 and 6.4; WHATWG Fetch section 3.6).
BARE = (
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"x-content-type-options", b"nosniff"),
)
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

log = structlog.get_logger("api")


def build(
    ctx: Context,
    services: Iterable[Service],
    desk: Desk,
    *,
    owner: int,
    nudge: Nudge,
    max_upload: int,
    rates: Rates = RATES,
    streams: Streams | None = None,
) -> Litestar:
    """Make the application of this process. `InternalError` where a route says no action.

    ``desk`` knows people; ``owner`` is the user ID that the home belongs to; ``max_upload`` is in octets.
    ``rates`` are for the front; ``streams`` counts those that are open.
    """
    services = list(services)
    kinds = Kinds(services)
    brought = [route for service in services if service.routes for route in load(service.routes)]
    handlers: list[ControllerRouterHandler] = [
        *descriptors.ROUTES,
        *machine.ROUTES,
        *tenants.ROUTES,
        *hosts.ROUTES,
        *people.ROUTES,
        *factors.ROUTES,
        *sessions.ROUTES,
        *tokens.ROUTES,
        *invitations.ROUTES,
        *accounts.ROUTES,
        *audit.ROUTES,
        attention.router(ctx, services),
        copied.router(ctx),
        *apply.ROUTES,
        *undelete.ROUTES,
        *export.ROUTES,
        *tasks.ROUTES,
        blobs.router(max_upload),
        changes.router(changes.Watch(nudge, Recent(ctx.store, kinds))),
        openapi.router(kinds),
        *brought,
    ]
    reads = Reads(ctx.store, nudge, ctx.clock.monotonic)
    pace = Pace(rates, ctx.clock.monotonic)
    entrance = Entrance(desk.recogniser, owner, ctx.clock.now)
    guard = Guard(ctx, entrance, desk.audit, kinds, pace, streams or Streams())
    app = Bare(
        handlers,
        guards=[guard],
        dependencies=dependencies(ctx, kinds, desk),
        exception_handlers={
            SeraiError: problems.on_serai_error,
            HTTPException: problems.on_http_exception,
            Exception: problems.on_bug,
        },
        request_class=Strict,
        request_max_body_size=MAX_BODY,
        openapi_config=None,
        logging_config=None,
        state=State({"house": House(ctx, kinds, desk, reads), "kinds": kinds, "nudge": nudge}),
    )
    app.state["methods"] = allowed_methods(app)
    app.state["shortcut"] = Shortcut(guard, reads)
    return app


class Front:
    """What every request passes first: its canonical path, its ID, its line in the log and in the figures."""

    def __init__(self, app: Litestar, registry: CollectorRegistry) -> None:
        self._app: Any = app
        self._shortcut: Shortcut = app.state["shortcut"]
        self._nudge: Nudge = app.state["nudge"]
        self._store: Store = app.state["house"].ctx.store
        self._debug = log.is_enabled_for(logging.DEBUG)
        self._seconds = Histogram(
            "serai_api_request_seconds", "Time to answer, streams left out.", registry=registry, buckets=_BUCKETS
        )
        self._answers = Counter(
            "serai_api_requests_total", "Answers by class of status.", ("status",), registry=registry
        )
        self._successes, self._unchanged = self._answers.labels("2xx"), self._answers.labels("3xx")

    def at_once(self, scope: Any, url: bytes) -> bytes | None:
        """Return the whole response to a GET that needs no waiting; None where the request is to be served."""
        begin = time.perf_counter()
        answer = self._shortcut.find(scope, url)
        if answer is None:
            return None
        octets = octets_of(answer, number(scope, (*self._behind(), *BARE)))
        seconds = time.perf_counter() - begin
        (self._successes if answer.status == OK else self._unchanged).inc()
        self._seconds.observe(seconds)
        if self._debug:
            scope["path"] = canonical(url.partition(b"?")[0])
            self._write_line(scope, answer.status, seconds)
        return octets

    async def __call__(self, scope: Any, receive: Callable[..., Any], send: Callable[..., Any]) -> None:
        """Serve one request."""
        scope["path"] = canonical(scope["raw_path"])
        more = number(scope, BARE)
        begin = time.perf_counter()
        status = 0

        async def answer(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], *keeping(message["headers"]), *self._behind(), *more]
            await send(message)

        ending = Ending(receive, partial(self._is_over, scope["state"]))

        async def hear() -> Any:  # a body's pieces come as they are: only a stream has to end before its client does
            return await (ending.receive() if LEAVE in scope["state"] else receive())

        try:
            made = await self._shortcut.make(scope)
            if made is None:
                await self._app(scope, hear, answer)
                if ending.ended:
                    await send({"type": "http.response.body", "body": b""})
            else:
                await answer({"type": "http.response.start", "status": made.status, "headers": fields_of(made)})
                await answer({"type": "http.response.body", "body": made.body})
        finally:
            seconds = time.perf_counter() - begin
            self._answers.labels(f"{status // 100}xx").inc()
            leave = scope["state"].get(LEAVE)
            if leave is None:
                self._seconds.observe(seconds)
            else:
                leave()
            self._write_line(scope, status, seconds)

    def _behind(self) -> Fields:
        """Return the field that says how old answers are, where they come from this host's copy of the store."""
        as_of = self._store.as_of
        return () if as_of is None else ((AS_OF, b"%d" % as_of),)

    def _is_over(self, state: Any) -> bool:
        """Tell whether a stream has to end: this process does, or who asked may follow it no more."""
        return self._nudge.closed or state["still"]() is None

    def _write_line(self, scope: Any, status: int, seconds: float) -> None:
        principal = scope["state"].get("principal")
        write = log.debug if scope["method"] in {"GET", "HEAD"} and status < 400 else log.info
        write(
            "api.request",
            request=scope["state"]["request_id"],
            who=principal.who if principal else "nobody",
            action=scope["state"].get("action", ""),
            method=scope["method"],
            path=scope["path"][:300],
            status=status,
            ms=round(seconds * 1000, 2),
        )
