"""What can be asked about the platform itself."""

from __future__ import annotations

import msgspec
from litestar import get

import serai
from serai.api.depend import AllKinds, Caller, Ctx


class Me(msgspec.Struct, frozen=True):
    """Who is asking, as the platform sees it."""

    who: str
    grants: list[dict[str, str]]


class About(msgspec.Struct, frozen=True):
    """What is answering."""

    version: str
    host: str
    base: str
    kinds: list[str]
    last_change: int


@get("/v1/me", action="me.read", summary="Show who is asking", operation_id="me")
async def me(principal: Caller) -> Me:
    """Return the principal that the platform takes the caller for."""
    return Me(principal.who, [msgspec.to_builtins(grant) for grant in principal.grants])


@get("/v1/about", action="about.read", summary="Show what is answering", operation_id="about")
async def about(ctx: Ctx, kinds: AllKinds) -> About:
    """Return the version, the host, and the kinds of descriptor there are."""
    return About(
        serai.__version__, ctx.host, ctx.base, sorted(kind.KIND for kind in kinds), await ctx.store.last_change()
    )


ROUTES = [me, about]
