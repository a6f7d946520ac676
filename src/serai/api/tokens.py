"""API tokens: made, listed, ended."""

from __future__ import annotations

import secrets
from typing import Annotated

import msgspec
from litestar import delete, get, post
from litestar.params import FromPath, JSONBody
from litestar.types import ControllerRouterHandler
from msgspec import Meta

from serai.api.depend import Aim, Caller, Ctx, People
from serai.api.desk import Desk
from serai.api.sessions import refuse_narrowed
from serai.daemon.module import Context
from serai.errors import DeniedError, InvalidError, NotFoundError
from serai.identity import Principal, Target, allowed, tokens
from serai.identity.authorize import reaches
from serai.identity.departures import token_falls
from serai.identity.gifts import check_over
from serai.identity.people import Token
from serai.identity.principals import Scope
from serai.services.paths import PLATFORM

Time = Annotated[float, Meta(ge=0, le=1e11)]
Patterns = Annotated[tuple[Annotated[str, Meta(max_length=300)], ...], Meta(max_length=100)]


class NewToken(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A token to be; it lives in the tenant of the path. ``expires`` in seconds since the epoch, 0 for never.

    ``user`` is whom it acts for, where that is not who asks.
    """

    name: Annotated[str, Meta(max_length=63)]
    app: Annotated[str, Meta(max_length=63)] = ""
    kinds: Patterns = ()
    actions: Patterns = ()
    names: Patterns = ()
    networks: Patterns = ()
    title: Annotated[str, Meta(max_length=200)] = ""
    expires: Time = 0.0
    user: Annotated[str, Meta(max_length=32)] = ""


class OwnToken(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A token of one's own to be: it may all that its user may, now and later, unless a field narrows it."""

    title: Annotated[str, Meta(max_length=200)] = ""
    tenant: Annotated[str, Meta(max_length=64)] = ""
    app: Annotated[str, Meta(max_length=63)] = ""
    kinds: Patterns = ()
    actions: Patterns = ()
    names: Patterns = ()
    networks: Patterns = ()
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
    """Make a token that acts for who asks, within a scope, and return it: it can't be shown again.

    For another ``user``: by who may change users, and may all that this one may.
    """
    maker = _acting_for(desk, principal, data.user) if data.user not in {"", principal.user} else principal
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
        maker,
        who=principal.who,
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
async def end(ctx: Ctx, desk: People, principal: Caller, target: Aim, name: FromPath[str]) -> None:
    """End a token: whoever shows it is nobody from now on."""
    await ctx.store.change(principal.who, f"end token {name}", tuple(token_falls(desk.directory, target.tenant, name)))


@get("/v1/me/tokens", action="me.read", summary="List one's tokens", operation_id="myTokens")
async def mine(desk: People, principal: Caller) -> TokenList:
    """Return the tokens that act for who asks, of all tenants."""
    found = sorted(desk.directory.tokens(principal.user), key=lambda pair: pair[0]) if principal.user else []
    return TokenList([_line(desk, tenant, name, token) for (tenant, name), token in found])


@post("/v1/me/tokens", action="me.write", status_code=201, summary="Make a token of one's own", operation_id="ownToken")
async def make_own(ctx: Ctx, desk: People, principal: Caller, data: JSONBody[OwnToken]) -> Issued:
    """Make a token that acts for who asks, as `serai login` does, and return it: it can't be shown again."""
    if data.tenant and not reaches(principal, Target(tenant=data.tenant, app=data.app)):
        raise NotFoundError("Nothing has that name.")
    given = msgspec.structs.asdict(data)
    title, expires = given.pop("title"), given.pop("expires")
    name = secrets.token_hex(6)
    token = await tokens.issue(
        ctx.store,
        desk.directory,
        principal,
        name=name,
        scope=Scope(**given),
        title=title,
        expires=expires,
        now=ctx.clock.now(),
    )
    return Issued(name, token)


@delete("/v1/me/token", action="me.leave", status_code=204, summary="End this token", operation_id="endThisToken")
async def leave(ctx: Ctx, desk: People, principal: Caller) -> None:
    """End the token that asks, as `serai logout` does."""
    if principal.kind != "token":
        raise InvalidError("Nobody showed a token.")
    tenant, _, name = principal.name.partition("/")
    await _end_own(ctx, desk, principal, "" if tenant == PLATFORM else tenant, name)


@delete(
    "/v1/me/tokens/{tenant:str}/{name:str}",
    action="me.leave",
    status_code=204,
    summary="End a token of one's own",
    operation_id="endOwnToken",
)
async def end_own(ctx: Ctx, desk: People, principal: Caller, target: Aim, name: FromPath[str]) -> None:
    """End a token that acts for who asks; a narrowed token ends itself alone."""
    if principal.kind != "token" or principal.name != f"{target.tenant or PLATFORM}/{name}":
        refuse_narrowed(principal)
    await _end_own(ctx, desk, principal, target.tenant, name)


async def _end_own(ctx: Context, desk: Desk, principal: Principal, tenant: str, name: str) -> None:
    token = desk.directory.token(tenant, name)
    if token is None or not principal.user or token.user != principal.user:
        raise NotFoundError("There is no such token.")
    await ctx.store.change(principal.who, f"end token {name}", tuple(token_falls(desk.directory, tenant, name)))


def _acting_for(desk: Desk, principal: Principal, login: str) -> Principal:
    """Return a user as somebody else may act for them: who may set their password could be them anyway."""
    if principal.scope is not None or not allowed(principal, "user.write", Target())[0]:
        raise DeniedError("You can't make a token for somebody else.")
    check_over(desk.directory, principal, login)
    try:
        return desk.recogniser.user(login)
    except NotFoundError:
        raise InvalidError("There is no such user.", path="user") from None


def _line(desk: Desk, tenant: str, name: str, token: Token) -> TokenLine:
    use = desk.directory.token_use(tenant, name)
    used, used_from = (use.at, use.address) if use else (0.0, "")
    return TokenLine(tenant, name, token.user, token.title, token.scope, token.created, token.expires, used, used_from)


ROUTES: list[ControllerRouterHandler] = [make, find, end, mine, make_own, leave, end_own]
