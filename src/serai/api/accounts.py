"""Other people's accounts, for those who look after them: overview, sessions, a way back in; roles; the sealing key."""

from __future__ import annotations

import asyncio
from typing import Annotated

import msgspec
from litestar import delete, get, post
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.types import ControllerRouterHandler

from serai.api.depend import Aim, Caller, Ctx, People
from serai.api.invitations import Joined
from serai.api.sessions import SessionLine, Short
from serai.daemon.service import load
from serai.errors import NotFoundError, UnsupportedError
from serai.identity import resets, sessions
from serai.identity.gifts import check_over
from serai.identity.people import CustomRole, User
from serai.identity.roles import ROLES
from serai.identity.seal import create_key


class Membership(msgspec.Struct, frozen=True):
    """What a user may do where; ``tenant`` "" is the platform, ``app`` "" all of the tenant."""

    tenant: str
    app: str
    role: str


class Account(msgspec.Struct, frozen=True):
    """A user as operators see them; ``factors`` say what there is, and show nothing of it."""

    login: str
    email: str
    title: str
    disabled: bool
    factors: list[str]
    members: list[Membership]
    tokens: int
    sessions: int


class Reset(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whether authenticator app, recovery codes and passkeys go with the password."""

    factors: bool = False


class Opened(msgspec.Struct, frozen=True):
    """What sets a new password once: it is shown this once."""

    secret: str
    link: str


class Setting(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The secret of a link, and the password to be."""

    secret: Short
    password: Short


class AccountSessions(msgspec.Struct, frozen=True):
    """A user's sessions, newest first."""

    items: list[SessionLine]


class Role(msgspec.Struct, frozen=True):
    """A role that can be given in a tenant; ``tenant`` is whose it is, "" for the platform's and the built-in ones."""

    name: str
    tenant: str
    built_in: bool
    actions: tuple[str, ...]
    title: str


class RoleList(msgspec.Struct, frozen=True):
    """The built-in roles, then the platform's, then the tenant's."""

    items: list[Role]


class Rotated(msgspec.Struct, frozen=True):
    """How many secrets were sealed anew."""

    sealed: int


@get("/v1/users/{login:str}", action="user.read", summary="Show an account", operation_id="getAccount")
async def show(desk: People, login: FromPath[str]) -> Account:
    """Return what there is of a user: memberships, second factors, how many tokens and sessions."""
    user = _user(desk.directory.user(login))
    held, _ = await desk.vault.read(login)
    members = [Membership(grant.tenant, grant.app, grant.role) for grant in desk.directory.grants(login)]
    counts = (sum(1 for _ in desk.directory.tokens(login)), sum(1 for _ in desk.directory.sessions(login)))
    return Account(login, user.email, user.title, user.disabled, held.factors(), members, *counts)


@post(
    "/v1/users/{login:str}/reset",
    action="user.write",
    status_code=201,
    summary="Take a password away",
    operation_id="resetUser",
)
async def reset(ctx: Ctx, desk: People, principal: Caller, login: FromPath[str], data: JSONBody[Reset]) -> Opened:
    """End a user's password and sessions, and return a link by which they set a new one within a day."""
    _user(desk.directory.user(login))
    check_over(desk.directory, principal, login)
    secret = await resets.begin(
        ctx.store, desk.directory, desk.vault, principal.who, login, ctx.clock.now(), factors=data.factors
    )
    # Behind the «#» it stays in the browser: no log of any server has it.
    return Opened(secret, f"https://console.{ctx.base}/reset#{secret}")


@post("/v1/reset", action="password.reset", summary="Set a password by a link", operation_id="takeReset")
async def take(ctx: Ctx, desk: People, data: JSONBody[Setting]) -> Joined:
    """Set a new password by the secret of a link; it opens once."""
    now = ctx.clock.now()
    login = await resets.take(ctx.store, desk.directory, desk.vault, desk.passwords, data.secret, data.password, now)
    return Joined(login)


@get("/v1/users/{login:str}/sessions", action="user.read", summary="List a user's sessions", operation_id="getSessions")
async def find_sessions(desk: People, login: FromPath[str]) -> AccountSessions:
    """Return where a user is signed in."""
    _user(desk.directory.user(login))
    found = sorted(desk.directory.sessions(login), key=lambda pair: -pair[1].created)
    return AccountSessions(
        [
            SessionLine(name, one.created, one.expires, one.address, one.browser, one.strong, current=False)
            for name, one in found
        ]
    )


@delete(
    "/v1/users/{login:str}/sessions",
    action="user.write",
    status_code=204,
    summary="End a user's sessions",
    operation_id="endSessions",
)
async def end_sessions(
    ctx: Ctx,
    desk: People,
    principal: Caller,
    login: FromPath[str],
    session: Annotated[str, QueryParameter(max_length=64, description="one by name; empty for all")] = "",
) -> None:
    """End one of a user's sessions, or all."""
    _user(desk.directory.user(login))
    if session:
        await sessions.end(ctx.store, desk.directory, principal.who, login, session)
    elif ends := tuple(sessions.end_all(desk.directory, login)):
        await ctx.store.change(principal.who, f"sign {login} out everywhere", ends)


@get("/v1/roles/{tenant:str}", action="role.read", summary="List roles", operation_id="listRoles")
async def roles(ctx: Ctx, target: Aim) -> RoleList:
    """Return every role that can be given in a tenant, and what it allows."""
    found = [Role(name, "", built_in=True, actions=tuple(ROLES[name]), title="") for name in ROLES]
    for tenant in dict.fromkeys(("", target.tenant)):
        records = await ctx.store.find(CustomRole, tenant, limit=1000)
        found += [Role(one.name, one.tenant, False, one.spec.actions, one.spec.title) for one in records]
    return RoleList(found)


@post(
    "/v1/keys/rotate", action="key.rotate", status_code=200, summary="Make a new sealing key", operation_id="rotateKey"
)
async def rotate(ctx: Ctx, desk: People, principal: Caller) -> Rotated:
    """Put a new key before the old ones, and seal everything with it; the old ones still open the past."""
    if desk.keyring.path is None:
        raise UnsupportedError("The keys of this platform are in no file.")
    await asyncio.to_thread(create_key, desk.keyring.path)
    desk.keyring.renew()
    count = await desk.vault.reseal(principal.who)
    for service in ctx.services.values():
        if service.reseal:
            count += await load(service.reseal)(ctx.store, desk.keyring, principal.who)
    return Rotated(count)


def _user(found: User | None) -> User:
    if found is None:
        raise NotFoundError("There is no such user.")
    return found


ROUTES: list[ControllerRouterHandler] = [show, reset, take, find_sessions, end_sessions, roles, rotate]
