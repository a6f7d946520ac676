"""What the API offers of logs: one stream of JSON lines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated

import msgspec
from litestar import get
from litestar.params import FromQuery, QueryParameter
from litestar.response import Stream

from serai.daemon.streams import kept_alive
from serai.services.apps.descriptors import App
from serai.services.apps.log_stream import Line, stream
from serai.services.apps.routes.common import PATH, Aim, AppName, Ctx, Limit

#: A quiet app's stream begins after this; an agent that is away has been noticed by then.
FIRST_SECONDS = 6.0
JSON_LINES = "application/jsonl"
Text = Annotated[str, QueryParameter(max_length=200)]
Since = Annotated[float | None, QueryParameter(ge=-1e9, le=1e10)]


@get(f"{PATH}/logs", action="app.logs", summary="Read logs", operation_id="readLogs", media_type=JSON_LINES)
async def read_logs(
    ctx: Ctx,
    target: Aim,
    app: AppName,
    name: FromQuery[str] = "",
    lines: Limit = 100,
    find: Text = "",
    since: Since = None,
    follow: FromQuery[bool] = False,
) -> Stream:
    """Return the last lines that an app's instances wrote, and with ``follow`` those to come, as JSON lines.

    ``name`` narrows them to instances whose names begin so, "build.3" is the log of a build; ``find`` to lines that
    hold a text, in any case; ``since`` to those from then on: seconds since the epoch or, up to 0, from now.
    """
    await ctx.store.get(App, target.tenant, app)
    begin = "" if since is None else _stamp(since if since > 0 else ctx.clock.now() + since)
    told = stream(
        ctx.bus, target.tenant, app, name=name, lines=lines, find=find, since=begin, follow=follow
    )  # fmt: skip
    return Stream(kept_alive(await _begun(_lines(told))), media_type=JSON_LINES)


def _stamp(seconds: float) -> str:
    """Return a time as lines begin with it."""
    return datetime.fromtimestamp(max(0.0, seconds), UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


async def _lines(lines: AsyncIterator[Line]) -> AsyncIterator[bytes]:
    async for line in lines:
        yield msgspec.json.encode({"instance": line.source, "text": line.text}) + b"\n"


async def _begun(lines: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Return the same lines once it is known whether there will be any: a refusal is an answer, not a cut stream."""

    async def begin() -> bytes:
        return await anext(lines, b"")

    first = asyncio.create_task(begin())
    await asyncio.wait({first}, timeout=FIRST_SECONDS)
    if first.done():
        first.result()

    async def rest() -> AsyncIterator[bytes]:
        yield await first
        async for line in lines:
            yield line

    return rest()


ROUTES = [read_logs]
