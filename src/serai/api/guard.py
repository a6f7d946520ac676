"""The one place that every request passes: who asks, what for, on what; then `authorize`.

Each route says its action beside itself (``action="app.deploy"``; ``{kind}`` in it is the path's kind, but a kind may
have an action of its own), and may bring a ``target`` where the path does not tell whose thing it is. An application
with a route that says no action can't be built, so nothing is served unguarded.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from functools import partial
from typing import Any

from litestar import Litestar
from litestar.connection import ASGIConnection
from litestar.exceptions import MethodNotAllowedException
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler
from litestar.routes import HTTPRoute

from serai.api import queries
from serai.api.entrance import Entrance, Shown, seen
from serai.api.kinds import Kinds
from serai.api.pace import Pace
from serai.api.streams import MEDIA_TYPES, Streams
from serai.daemon.module import Context
from serai.errors import InternalError, InvalidError
from serai.identity import Audit, Principal, Target, allowed, authorize
from serai.services.paths import PLATFORM

#: Where a scope's state holds the error that a request met on its short way, which is told as any other.
FAILED = "failed"
#: Where it holds what is to be called once a stream is over.
LEAVE = "leave"

Resolver = Callable[[Context, Mapping[str, str]], Awaitable[Target]]
Connection = ASGIConnection[Any, Any, Any, Any]


def tenant_of(parameters: Mapping[str, str], query: Mapping[str, str]) -> str:
    """Return the tenant that a request names in its path, or else in its query; "" is the platform."""
    tenant = parameters.get("tenant", query.get("tenant", ""))
    return "" if tenant == PLATFORM else tenant


class Guard:
    """Recognise who asks and ask `authorize`; handlers find the outcome as `principal` and `target`."""

    def __init__(
        self, ctx: Context, entrance: Entrance, audit: Audit, kinds: Kinds, pace: Pace, streams: Streams
    ) -> None:
        self._ctx = ctx
        self._streams = streams
        self._kinds = kinds
        self._entrance = entrance
        self._audit = audit
        self._pace = pace
        self._by_tenant: dict[Callable[..., Any], bool] = {}

    async def __call__(self, connection: Connection, handler: BaseRouteHandler) -> None:
        """Let the request in, or raise."""
        if connection.scope.get("method") == "OPTIONS":  # the framework's own: it has no action
            raise MethodNotAllowedException
        action = action_of(handler)
        failed = connection.scope["state"].get(FAILED)
        if failed is not None:
            raise failed
        shown = seen(connection.scope)
        principal = self._recognise(shown)
        parameters = {key: str(value) for key, value in connection.path_params.items()}
        query = {key: str(value) for key, value in connection.query_params.items()} if self._asks(handler) else {}
        target = Target(
            tenant=tenant_of(parameters, query),
            app=parameters.get("app", ""),
            kind=parameters.get("kind", ""),
            name=parameters.get("name", ""),
        )
        resolver: Resolver | None = handler.opt.get("target")
        if resolver is not None and principal is not None:
            target = await resolver(self._ctx, parameters)
        if any("\x00" in value for value in (target.tenant, target.app, target.name)):
            raise InvalidError("A name holds no NUL.", path="name")
        action = self._kinds.action(target.kind, action)
        state = connection.scope["state"]
        self._authorize(principal, action, target, shown, state)
        queries.check(connection, handler)
        if isinstance(handler, HTTPRouteHandler) and handler.media_type in MEDIA_TYPES:
            state[LEAVE] = self._streams.enter(state["principal"])

    def admit(self, shown: Shown, action: str, target: Target, state: dict[str, Any]) -> None:
        """Let a request in, or raise, whose action and target are known from one with the same URL before it."""
        self._authorize(self._recognise(shown), action, target, shown, state)

    def _recognise(self, shown: Shown) -> Principal | None:
        principal = self._entrance.recognise(shown)
        if shown.front:
            self._pace.take(principal, shown.address)
        return principal

    def _authorize(
        self, principal: Principal | None, action: str, target: Target, shown: Shown, state: dict[str, Any]
    ) -> None:
        state["principal"] = authorize(principal, action, target, self._audit, shown.address)
        state["target"] = target
        state["action"] = action
        state["still"] = partial(self._still, shown, action, target)

    def _still(self, shown: Shown, action: str, target: Target) -> Principal | None:
        """Return who asks as they are known now, for streams that go on; None where they may no more."""
        principal = self._entrance.recognise(shown)
        return principal if principal is not None and allowed(principal, action, target)[0] else None

    def _asks(self, handler: BaseRouteHandler) -> bool:
        # By its function: the framework hands over a new copy of the handler with each request.
        found = self._by_tenant.get(handler.fn)
        if found is None:
            found = self._by_tenant[handler.fn] = asks_for_tenant(handler)
        return found


def asks_for_tenant(handler: BaseRouteHandler) -> bool:
    """Tell whether a handler, or anything that it depends on, does something with a tenant of the query.

    On all others such a parameter says nothing: or else it would turn what is about the platform itself into something
    of a tenant's, where whoever asks may more.
    """
    providers = handler.resolve_dependencies()
    waiting, seen = list(handler.parsed_fn_signature.parameters), set[str]()
    while waiting:
        name = waiting.pop()
        if name in {"tenant", "target"}:
            return True
        if name in providers and name not in seen:
            seen.add(name)
            waiting += providers[name].parsed_fn_signature.parameters
    return False


def action_of(handler: BaseRouteHandler) -> str:
    """Return the action that a route asks for."""
    action = handler.opt.get("action")
    if not isinstance(action, str) or "." not in action:
        raise InternalError("A route without an action can't be served.", handler=str(handler))
    return action


def allowed_methods(app: Litestar) -> Mapping[re.Pattern[str], str]:
    """Return forms of paths, the most particular first, and their methods as Allow has them (RFC 9110 section 10.2.1).

    `InternalError` where a route says no action.
    """
    found: dict[str, set[str]] = {}
    for method, path, _ in table(app):
        found.setdefault(path, set()).update({"GET", "HEAD"} if method == "GET" else {method})
    return {
        re.compile(re.sub(r"\{\w+\}", "[^/]+", path) + r"\Z"): ", ".join(sorted(found[path]))
        for path in sorted(found, key=lambda path: path.count("{"))
    }


def table(app: Litestar) -> Iterator[tuple[str, str, str]]:
    """Yield (method, path, action) of every route; raise `InternalError` where one says no action."""
    for route in app.routes:
        if not isinstance(route, HTTPRoute):
            raise InternalError("Only HTTP routes can be guarded.", path=route.path)
        for handler in route.route_handlers:
            if isinstance(handler, HTTPRouteHandler):
                for method in sorted(handler.http_methods - {"OPTIONS"}):
                    yield str(method), route.path_format, action_of(handler)
