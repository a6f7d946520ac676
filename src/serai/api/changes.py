"""The watch stream: the change feed as server-sent events, from any number on, gap-free and in order."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection
from functools import partial
from typing import Annotated, Any

import msgspec
from litestar import Request, Router, get
from litestar.params import FromQuery, QueryParameter
from litestar.response import Stream

from serai.api.depend import Aim, AllKinds, Ctx
from serai.api.kinds import Kinds
from serai.api.nudge import Nudge
from serai.api.recent import Recent
from serai.errors import InvalidError, NotFoundError
from serai.identity import Principal, Target, allowed
from serai.store import Spec

HEARTBEAT = 15.0  # seconds between signs of life on a quiet stream
LOOK = 3.0  # seconds at most until a stream ends whose reader may watch no more

EVENTS = "text/event-stream"
After = Annotated[int | None, QueryParameter(ge=0, le=(1 << 63) - 1, description="the number of the last change seen")]

HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}


class Watch:
    """All watch streams of this process."""

    def __init__(self, nudge: Nudge, recent: Recent) -> None:
        self.nudge = nudge
        self.recent = recent

    async def follow(
        self, after: int, tenant: str | None, kind: str, *, end: bool, look: Callable[[], Collection[str] | None]
    ) -> AsyncGenerator[bytes, None]:
        """Yield events after a number for ever, or up to the newest where ``end``, of the kinds that `look` returns.

        The next batch is read only when the client took the last one, so a slow reader costs one batch and delays
        nobody. Nothing can fall between two batches: the feed itself is read, and a nudge only says when. Where
        ``look`` returns None, who asked may watch no more, and the stream is over.
        """
        silent = 0.0
        yield b": from %d\n\n" % after
        while (shown := look()) is not None:
            seen = self.nudge.count
            number, text = await self._next(after, tenant, kind, shown)
            if text:
                silent = 0.0
                yield text
            if number != after:
                after = number
            elif end or self.nudge.closed:
                yield b"id: %d\nevent: end\ndata: {}\n\n" % after
                return
            elif not await self.nudge.wait(seen, LOOK):
                silent += LOOK
            if silent >= HEARTBEAT:
                silent = 0.0
                yield b": alive\n\n"

    async def _next(self, after: int, tenant: str | None, kind: str, shown: Collection[str]) -> tuple[int, bytes]:
        """Return the events of the next changes, and the number of the last of these."""
        batch = await self.recent.after(after)
        told = (
            one.event for one in batch if tenant in {None, one.tenant} and kind in {"", one.kind} and one.kind in shown
        )
        return (batch[-1].number if batch else after), b"".join(told)


def start(request: Request[Any, Any, Any], after: int | None, pruned: int) -> int:
    """Return the number to start after: the query's, or what a reconnecting EventSource says it saw last.

    Who says neither gets all that is kept; `NotFoundError` for a number before that, since it would miss changes.
    """
    seen = _last_seen(request, pruned)
    begin = seen if after is None else after
    if begin < pruned:
        raise NotFoundError(
            f"The changes up to {pruned} are not kept: list what there is, then follow.", first=pruned + 1
        )
    return begin


def _last_seen(request: Request[Any, Any, Any], pruned: int) -> int:
    last = request.headers.get("last-event-id", str(pruned))
    if not (last.isascii() and last.isdecimal() and len(last) < 19):
        raise InvalidError("Last-Event-ID is not the number of a change.", path="last-event-id")
    return int(last)


def visible(principal: Principal, target: Target, kinds: Kinds) -> dict[str, type[Spec]]:
    """Return the kinds that the principal may read there; what is none of the API's, such as sessions, nobody sees."""
    return {
        kind.KIND: kind
        for kind in kinds
        if allowed(principal, kinds.action(kind.KIND, "{kind}.read"), msgspec.structs.replace(target, kind=kind.KIND))[
            0
        ]
    }


def still(request: Request[Any, Any, Any], target: Target, kinds: Kinds) -> Collection[str] | None:
    """Return the kinds that who asks may see now; None where they may watch no more."""
    principal: Principal | None = request.scope["state"]["still"]()
    return None if principal is None else visible(principal, target, kinds)


def router(watch: Watch) -> Router:
    """Return the routes, bound to this process's streams."""

    @get(
        "/v1/changes", action="change.watch", summary="Follow changes", operation_id="watchChanges",
        media_type=EVENTS, heads=("Last-Event-ID",),
    )  # fmt: skip
    async def changes(
        request: Request[Any, Any, Any],
        ctx: Ctx,
        target: Aim,
        kinds: AllKinds,
        *,
        after: After = None,
        tenant: FromQuery[str | None] = None,
        kind: FromQuery[str] = "",
        end: FromQuery[bool] = False,
    ) -> Stream:
        """Stream changes after a number as server-sent events; with ``end`` only those there are."""
        begin = start(request, after, await ctx.store.first_change() - 1)
        where = None if tenant is None else target.tenant
        stream = watch.follow(begin, where, kind, end=end, look=partial(still, request, target, kinds))
        first = await anext(stream)  # so that a refusal is an answer, not a cut stream
        return Stream(_chain(first, stream), headers=HEADERS, media_type=EVENTS)

    return Router("/", route_handlers=[changes])


async def _chain(first: bytes, rest: AsyncGenerator[bytes, None]) -> AsyncIterator[bytes]:
    async with contextlib.aclosing(rest):
        yield first
        async for item in rest:
            yield item
