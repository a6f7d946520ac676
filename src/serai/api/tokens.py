"""API tokens: made, listed, ended."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import delete, get, post
from litestar.params import FromPath, JSONBody
from litestar.types import ControllerRouterHandler
from msgspec import Meta

from serai.api.depend import Aim, Caller, Ctx, People
from serai.api.desk import Desk
from serai.identity import tokens
from serai.identity.people import Token
from serai.identity.principals import Scope
from serai.store import Delete

Time = Annotated[float, Meta(ge=0, le=1e11)]
Patterns = Annotated[tuple[Annotated[str, Meta(max_length=300)], ...], Meta(max_length=100)]


class NewToken(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A token to be; it lives in the tenant of the path. ``expires`` in seconds since the epoch, 0 for never."""

    name: Annotated[str, Meta(max_length=63)]
    app: Annotated[str, Meta(max_length=63)] = ""
    kinds: Patterns = ()
    actions: Patterns = ()
    names: Patterns = ()
    networks: Patterns = ()
    title: Annotated[str, Meta(max_length=200)] = ""
    expires: Time = 0.0


class Issued(msgspec.Struct, frozen=True):
    """A new token, which is shown this once."""

    name: str
    token: str


class TokenLine(msgspec.Struct, frozen=True):
    """A token as it is listed; times in seconds since the epoch, 0 for never."""

    tenant: str
    name: str
    user: str
    title: str
    scope: Scope
    created: float
    expires: float
    used: float
    used_from: str


class TokenList(msgspec.Struct, frozen=True):
    """Tokens by name."""

    items: list[TokenLine]


@post(
    "/v1/tokens/{tenant:str}", action="token.write", status_code=201, summary="Make a token", operation_id="makeToken"
)
async def make(ctx: Ctx, desk: People, principal: Caller, target: Aim, data: JSONBody[NewToken]) -> Issued:
    """Make a token that acts for who asks, within a scope, and return it: it can't be shown again."""
    scope = Scope(
        tenant=target.tenant,
        app=data.app,
        kinds=data.kinds,
        actions=data.actions,
        names=data.names,
        networks=data.networks,
    )
    token = await tokens.issue(
        ctx.store,
        desk.directory,
        principal,
        name=data.name,
        scope=scope,
        title=data.title,
        expires=data.expires,
        now=ctx.clock.now(),
    )
    return Issued(data.name, token)


@get("/v1/tokens/{tenant:str}", action="token.read", summary="List a tenant's tokens", operation_id="listTokens")
async def find(ctx: Ctx, desk: People, target: Aim) -> TokenList:
    """Return a tenant's tokens, without what would prove them."""
    records = await ctx.store.find(Token, target.tenant, limit=1000)
    return TokenList([_line(desk, record.tenant, record.name, record.spec) for record in records])


@delete(
    "/v1/tokens/{tenant:str}/{name:str}",
    action="token.delete",
    status_code=204,
    summary="End a token",
    operation_id="endToken",
)
async def end(ctx: Ctx, principal: Caller, target: Aim, name: FromPath[str]) -> None:
    """End a token: whoever shows it is nobody from now on."""
    await ctx.store.change(principal.who, f"end token {name}", (Delete(Token.KIND, target.tenant, name),))


@get("/v1/me/tokens", action="me.read", summary="List one's tokens", operation_id="myTokens")
async def mine(desk: People, principal: Caller) -> TokenList:
    """Return the tokens that act for who asks, of all tenants."""
    found = sorted(desk.directory.tokens(principal.user), key=lambda pair: pair[0]) if principal.user else []
    return TokenList([_line(desk, tenant, name, token) for (tenant, name), token in found])


def _line(desk: Desk, tenant: str, name: str, token: Token) -> TokenLine:
    use = desk.directory.token_use(tenant, name)
    used, used_from = (use.at, use.address) if use else (0.0, "")
    return TokenLine(tenant, name, token.user, token.title, token.scope, token.created, token.expires, used, used_from)


ROUTES: list[ControllerRouterHandler] = [make, find, end, mine]
