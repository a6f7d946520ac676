"""The watch stream: the change feed as server-sent events, from any number on, gap-free and in order."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Annotated, Any

import msgspec
from litestar import Request, Router, get
from litestar.params import FromQuery, QueryParameter
from litestar.response import Stream

from serai.api.depend import Aim, AllKinds, Caller, Ctx
from serai.api.kinds import Kinds
from serai.api.nudge import Nudge
from serai.errors import ExhaustedError, InvalidError, NotFoundError
from serai.identity import Principal, Target, allowed
from serai.store import Change, Spec, Store

BATCH = 500  # changes read at a time: what a stream holds in memory at most
HEARTBEAT = 15.0  # seconds between signs of life on a quiet stream
MAX_STREAMS = 256

EVENTS = "text/event-stream"
After = Annotated[int | None, QueryParameter(ge=0, le=(1 << 63) - 1, description="the number of the last change seen")]

HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}


class Event(msgspec.Struct, frozen=True):
    """One change as the stream shows it; ``spec`` is null for a delete."""

    number: int
    kind: str
    tenant: str
    name: str
    version: int
    spec: dict[str, Any] | None


def event(change: Change, kind: type[Spec]) -> bytes:
    """Return a change as one server-sent event, whose ID is its number."""
    spec = None if change.spec is None else dict(kind.hidden(msgspec.msgpack.decode(change.spec)))
    body = msgspec.json.encode(Event(change.number, change.kind, change.tenant, change.name, change.version, spec))
    return b"id: %d\nevent: change\ndata: %s\n\n" % (change.number, body)


class Watch:
    """All watch streams of this process."""

    def __init__(self, nudge: Nudge) -> None:
        self.nudge = nudge
        self.streams = 0

    async def follow(
        self, store: Store, after: int, tenant: str | None, kind: str, *, end: bool, visible: Mapping[str, type[Spec]]
    ) -> AsyncGenerator[bytes, None]:
        """Yield events after a number for ever, or up to the newest where ``end``, of the ``visible`` kinds.

        Each batch is read only when the client took the last one, so a slow reader costs one batch and delays
        nobody. Nothing can fall between two batches: the feed itself is read, and a nudge only says when.
        """
        if self.streams >= MAX_STREAMS:
            raise ExhaustedError("Too many watch streams are open.")
        self.streams += 1
        try:
            yield b": from %d\n\n" % after
            while True:
                seen = self.nudge.count
                batch = await store.changes(after, BATCH)
                for change in batch:
                    if tenant in {None, change.tenant} and kind in {"", change.kind} and change.kind in visible:
                        yield event(change, visible[change.kind])
                if batch:
                    after = batch[-1].number
                elif end or self.nudge.closed:
                    yield b"id: %d\nevent: end\ndata: {}\n\n" % after
                    return
                elif not await self.nudge.wait(seen, HEARTBEAT):
                    yield b": alive\n\n"
        finally:
            self.streams -= 1


def start(request: Request[Any, Any, Any], after: int | None, pruned: int) -> int:
    """Return the number to start after: the query's, or what a reconnecting EventSource says it saw last.

    Who says neither gets all that is kept; `NotFoundError` for a number before that, since it would miss changes.
    """
    begin = after if after is not None else _last_seen(request, pruned)
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


def router(watch: Watch) -> Router:
    """Return the routes, bound to this process's streams."""

    @get(
        "/v1/changes", action="change.watch", summary="Follow changes", operation_id="watchChanges",
        media_type=EVENTS, heads=("Last-Event-ID",),
    )  # fmt: skip
    async def changes(
        request: Request[Any, Any, Any],
        ctx: Ctx,
        principal: Caller,
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
        shown = visible(principal, target, kinds)
        stream = watch.follow(ctx.store, begin, None if tenant is None else target.tenant, kind, end=end, visible=shown)
        first = await anext(stream)  # so that a refusal is an answer, not a cut stream
        return Stream(_chain(first, stream), headers=HEADERS, media_type=EVENTS)

    return Router("/", route_handlers=[changes])


async def _chain(first: bytes, rest: AsyncGenerator[bytes, None]) -> AsyncIterator[bytes]:
    async with contextlib.aclosing(rest):
        yield first
        async for item in rest:
            yield item
