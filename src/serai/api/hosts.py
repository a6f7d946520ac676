"""Hosts' keys: made, listed, revoked. What a host is and can do is its descriptor's."""

from __future__ import annotations

import msgspec
from litestar import delete, get, post
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from serai.api.depend import Caller, Ctx
from serai.identity.hosts import HostKey, enrol, revoke

MOST = 10_000


class HostLine(msgspec.Struct, frozen=True):
    """A host that has, or had, a key; ``made`` in seconds since the epoch."""

    name: str
    made: float
    revoked: bool


class HostList(msgspec.Struct, frozen=True):
    """Hosts by name."""

    items: list[HostLine]


class Enrolled(msgspec.Struct, frozen=True):
    """A new key, which is shown this once; "" where the host itself has kept it."""

    name: str
    key: str


@get("/v1/hosts", action="host.read", summary="List hosts' keys", operation_id="listHostKeys")
async def find(ctx: Ctx) -> HostList:
    """Return which hosts have keys, without what would prove them."""
    records = await ctx.store.find(HostKey, "", limit=MOST)
    return HostList([HostLine(one.name, one.spec.made, not one.spec.digest) for one in records])


@post(
    "/v1/hosts/{host:str}/key", action="host.enrol", status_code=201, summary="Enrol a host", operation_id="enrolHost"
)
async def make(ctx: Ctx, principal: Caller, host: FromPath[str]) -> Enrolled:
    """Make a host's key, and end the one before; this host keeps its own in its home."""
    here = host == ctx.host
    key = await enrol(ctx.store, principal.who, host, ctx.clock.now(), ctx.home if here else None)
    return Enrolled(host, "" if here else key)


@delete(
    "/v1/hosts/{host:str}/key", action="host.enrol", status_code=204, summary="Revoke a host's key",
    operation_id="revokeHost",
)  # fmt: skip
async def end(ctx: Ctx, principal: Caller, host: FromPath[str]) -> None:
    """End a host's key: whoever shows it is nobody from now on."""
    await revoke(ctx.store, principal.who, host)


ROUTES: list[ControllerRouterHandler] = [find, make, end]
