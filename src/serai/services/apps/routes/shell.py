"""What the API offers of shells in instances: open one, read it, type, resize, end it. See docs/shell.md."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Annotated, Any

import msgspec
from litestar import Request, delete, get, post
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from litestar.response import Stream

from serai.cloud.visiting import LONGEST, Caller, Ended, Said
from serai.daemon.streams import kept_alive
from serai.errors import InvalidError, SeraiError
from serai.services.apps.descriptors import App
from serai.services.apps.routes.common import PATH, Aim, AppName, Ctx
from serai.services.apps.routes.common import Caller as Asking
from serai.services.apps.shell import Shell
from serai.services.apps.shells.door import at_door, whose
from serai.services.apps.shells.wish import SUBJECT, Opened, Size, What, Wish

SHELLS = f"{PATH}/shells"
ONE = f"{SHELLS}/{{shell:str}}"
JSON_LINES = "application/jsonl"
OPENING = 20.0  # seconds
LOOK = 2.0  # seconds between looks whether who reads still may
MAX_OPEN = 1000  # listed

Calling = Callable[[], AbstractAsyncContextManager[Caller]]
Name = FromPath[str]
Place = Annotated[int, QueryParameter(ge=0, le=1 << 62)]


class ShellView(msgspec.Struct, frozen=True, kw_only=True):
    """A shell that is open, as people see it."""

    id: str
    instance: str
    who: str
    program: str
    terminal: bool
    opened: float


class Shells(msgspec.Struct, frozen=True):
    """An app's open shells, everybody's."""

    items: list[ShellView]


class Taken(msgspec.Struct, frozen=True):
    """How many octets of input were taken in all: go on from there."""

    next: int


@get(SHELLS, action="app.shell", summary="List open shells", operation_id="listShells")
async def find(ctx: Ctx, target: Aim, app: AppName) -> Shells:
    """List the shells that are open in an app's instances, and whose they are."""
    await ctx.store.get(App, target.tenant, app)
    records = await ctx.store.find(Shell, target.tenant, prefix=f"{app}.", limit=MAX_OPEN)
    return Shells([
        ShellView(
            id=one.name.partition(".")[2], instance=one.spec.instance, who=one.spec.who, program=one.spec.program,
            terminal=one.spec.terminal, opened=one.spec.opened,
        )
        for one in records
    ])  # fmt: skip


@post(SHELLS, action="app.shell", status_code=201, summary="Open a shell", operation_id="openShell")
async def begin(ctx: Ctx, principal: Asking, target: Aim, app: AppName, data: JSONBody[What]) -> Opened:
    """Run a shell, or a command, in a running instance, as confined as that is. Read it, or it ends soon."""
    await ctx.store.get(App, target.tenant, app)
    wish = Wish(tenant=target.tenant, app=app, who=principal.who, whose=whose(principal), what=data)
    answer = await ctx.bus.call(SUBJECT, msgspec.to_builtins(wish), deadline=OPENING)
    return msgspec.convert(answer, Opened)


@get(f"{ONE}/output", action="app.shell", summary="Read a shell", operation_id="readShell", media_type=JSON_LINES)
async def output(
    request: Request[Any, Any, Any], ctx: Ctx, principal: Asking, target: Aim, *, app: AppName, shell: Name,
    start: Annotated[int, QueryParameter(name="from", ge=0, le=1 << 62)] = 0,
) -> Stream:  # fmt: skip
    """Stream what it writes from an octet on, as JSON lines; the last of them says how it ended.

    All before ``from`` counts as read and is forgotten. The first line tells how many octets of input it was given.
    Where the stream ends without saying how the shell ended, ask again from where it was.
    """

    def call() -> AbstractAsyncContextManager[Caller]:
        return at_door(ctx.home, target.tenant, app, shell, principal)

    lines = _lines(call, start)
    first = await anext(lines)
    return Stream(kept_alive(_guarded(request, call, first, lines)), media_type=JSON_LINES)


@post(
    f"{ONE}/input", action="app.shell", status_code=200, summary="Type into a shell", operation_id="typeIntoShell",
    body=bytes,
)  # fmt: skip
async def give(
    request: Request[Any, Any, Any], ctx: Ctx, principal: Asking, target: Aim, *, app: AppName, shell: Name,
    at: Place, end: FromQuery[bool] = False,
) -> Taken:  # fmt: skip
    """Give it octets to read, of which ``at`` came before; ``end`` says that these are the last.

    What it was given before is passed over, so that a request whose answer was lost can be made again. Not all may be
    taken: go on from ``next``.
    """
    data = await request.body()
    if len(data) > LONGEST:
        raise InvalidError(f"At most {LONGEST} octets at a time.", path="$")
    async with at_door(ctx.home, target.tenant, app, shell, principal) as caller:
        return Taken(await caller.type(at, data, last=end))


@post(f"{ONE}/size", action="app.shell", status_code=204, summary="Resize a shell", operation_id="resizeShell")
async def resize(ctx: Ctx, principal: Asking, target: Aim, app: AppName, shell: Name, data: JSONBody[Size]) -> None:
    """Tell how large its terminal is."""
    async with at_door(ctx.home, target.tenant, app, shell, principal) as caller:
        await caller.resize(data.rows, data.columns)


@delete(ONE, action="app.shell", status_code=204, summary="End a shell", operation_id="endShell")
async def finish(ctx: Ctx, target: Aim, app: AppName, shell: Name) -> None:
    """End a shell, whoever's it is, and what runs in its session."""
    async with at_door(ctx.home, target.tenant, app, shell) as caller:
        await caller.end()


async def _lines(call: Calling, start: int) -> AsyncGenerator[bytes, None]:
    async with call() as caller:
        typed = await caller.begin(start)
        yield msgspec.json.encode({"typed": typed}) + b"\n"
        async for piece in caller.pieces():
            yield _line(piece)


def _line(piece: Said | Ended) -> bytes:
    if isinstance(piece, Ended):
        told: dict[str, Any] = {"exit": {"code": piece.code, "reason": piece.reason}}
    else:
        told = {"at": piece.at, "error" if piece.error else "output": base64.b64encode(piece.data).decode()}
    return msgspec.json.encode(told) + b"\n"


async def _guarded(
    request: Request[Any, Any, Any], call: Calling, first: bytes, lines: AsyncGenerator[bytes, None]
) -> AsyncGenerator[bytes, None]:
    """Yield lines as they come; they end as this process does, and the shell does where who reads may no more."""
    nudge, still = request.app.state.get("nudge"), request.scope["state"]["still"]
    loop = asyncio.get_running_loop()
    coming = asyncio.ensure_future(anext(lines, None))
    looked = loop.time()
    try:
        yield first
        while True:
            await asyncio.wait({coming}, timeout=max(0.0, looked + LOOK - loop.time()))
            if loop.time() >= looked + LOOK:
                looked = loop.time()
                if still() is None or (nudge is not None and nudge.closed):
                    return
            if coming.done():
                line = coming.result()
                if line is None:
                    return
                yield line
                coming = asyncio.ensure_future(anext(lines, None))
    finally:
        # Also where the client went: what runs can't be closed before it was cancelled.
        coming.cancel()
        await asyncio.wait({coming})
        await lines.aclose()
        if still() is None:
            await asyncio.shield(_end(call))


async def _end(call: Calling) -> None:
    with contextlib.suppress(SeraiError):  # it has ended
        async with call() as caller:
            await caller.end()


ROUTES = [find, begin, output, give, resize, finish]
