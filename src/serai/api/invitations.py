"""Invitations: made by who may give the role, taken up by who has the link and the address."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import delete, get, post
from litestar.params import FromPath, FromQuery, JSONBody
from litestar.types import ControllerRouterHandler
from msgspec import Meta

from serai.api.depend import Aim, Caller, Ctx, People
from serai.api.descriptors import MAX_LIMIT, Limit
from serai.api.sessions import Short
from serai.identity import invitations
from serai.identity.invitations import Newcomer
from serai.identity.people import Invitation
from serai.store import Delete


class NewInvitation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who is invited, as what; ``app`` narrows it to one app of the tenant."""

    email: Short
    role: Annotated[str, Meta(max_length=63)]
    app: Annotated[str, Meta(max_length=63)] = ""


class Invited(msgspec.Struct, frozen=True):
    """What the invited person gets: it is shown this once."""

    secret: str
    link: str


class InvitationLine(msgspec.Struct, frozen=True):
    """An invitation that waits; ``expires`` in seconds since the epoch."""

    tenant: str
    name: str
    email: str
    role: str
    app: str
    expires: float


class InvitationList(msgspec.Struct, frozen=True):
    """Some of a tenant's invitations; ``next`` goes into ``after`` of the next page, "" on the last."""

    items: list[InvitationLine]
    next: str = ""


class Taking(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An invitation's secret; with login and password, for who is no user yet."""

    secret: Short
    login: Short = ""
    password: Short = ""
    title: Annotated[str, Meta(max_length=100)] = ""


class Joined(msgspec.Struct, frozen=True):
    """Who took an invitation up."""

    login: str


@post(
    "/v1/invitations/{tenant:str}",
    action="invitation.write",
    status_code=201,
    summary="Invite somebody",
    operation_id="invite",
)
async def invite(ctx: Ctx, desk: People, principal: Caller, target: Aim, data: JSONBody[NewInvitation]) -> Invited:
    """Make an invitation; nobody gives a role that allows more than they may themselves."""
    secret = await invitations.invite(
        ctx.store,
        desk.directory,
        principal,
        email=data.email,
        role=data.role,
        tenant=target.tenant,
        app=data.app,
        now=ctx.clock.now(),
    )
    # Behind the «#» it stays in the browser: no log of any server has it.
    return Invited(secret, f"https://console.{ctx.base}/join#{secret}")


@get(
    "/v1/invitations/{tenant:str}", action="invitation.read", summary="List invitations", operation_id="listInvitations"
)
async def find(
    ctx: Ctx,
    target: Aim,
    app: FromQuery[str | None] = None,
    prefix: FromQuery[str] = "",
    after: FromQuery[str] = "",
    limit: Limit = 100,
) -> InvitationList:
    """Return a tenant's invitations that were not taken up yet, by name; ``app`` are those to one app alone."""
    now, lines = ctx.clock.now(), list[InvitationLine]()
    # To see whether there is a next page takes one more; of those that are left out nobody knows how many there are.
    size = limit + 1 if app is None else MAX_LIMIT
    while True:
        begin = f"{target.tenant}/{after}" if after else ""
        records = await ctx.store.find(Invitation, target.tenant, prefix=prefix, after=begin, limit=size)
        for record in records:
            one = record.spec
            if one.expires <= now or app not in {None, one.app}:
                continue
            if len(lines) == limit:
                return InvitationList(lines, lines[-1].name)
            lines.append(InvitationLine(record.tenant, record.name, one.email, one.role, one.app, one.expires))
        if len(records) < size:
            return InvitationList(lines)
        after = records[-1].name


@delete(
    "/v1/invitations/{tenant:str}/{name:str}",
    action="invitation.delete",
    status_code=204,
    summary="Withdraw an invitation",
    operation_id="withdrawInvitation",
)
async def withdraw(ctx: Ctx, principal: Caller, target: Aim, name: FromPath[str]) -> None:
    """Withdraw an invitation: its link opens nothing any more."""
    await ctx.store.change(principal.who, "withdraw an invitation", (Delete(Invitation.KIND, target.tenant, name),))


@post("/v1/join", action="invitation.take", status_code=201, summary="Take an invitation up", operation_id="join")
async def join(ctx: Ctx, desk: People, principal: Caller, data: JSONBody[Taking]) -> Joined:
    """Become a user by an invitation, or, signed in, add its role to what one may."""
    now = ctx.clock.now()
    if principal.user:
        await invitations.accept(ctx.store, desk.directory, principal, data.secret, now)
        return Joined(principal.user)
    newcomer = Newcomer(login=data.login, password=data.password, title=data.title)
    login = await invitations.join(ctx.store, desk.directory, desk.vault, desk.passwords, data.secret, newcomer, now)
    return Joined(login)


ROUTES: list[ControllerRouterHandler] = [invite, find, withdraw, join]
