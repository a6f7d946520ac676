"""Signing in and out, and the sessions of who asks."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request, Response, delete, get, post
from litestar.params import FromPath, JSONBody
from litestar.types import ControllerRouterHandler
from msgspec import Meta

from serai.api.depend import Caller, Ctx, People
from serai.api.entrance import DEVICE, SESSION, cookie_of, refuse_foreign, seen
from serai.errors import DeniedError
from serai.identity import Principal, sessions
from serai.identity.people import Secrets
from serai.identity.principals import Scope
from serai.identity.signin import Admitted, Attempt
from serai.identity.sites import claimed

_YEAR = 366 * 86400  # seconds that a browser stays known

Short = Annotated[str, Meta(max_length=300)]
AnyRequest = Request[Any, Any, Any]


class Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a person signs in with."""

    login: Short
    password: Short
    code: Short = ""


class KeyEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A passkey's answer to the question of ``ticket``."""

    ticket: Short
    answer: dict[str, Any]


class SignedIn(msgspec.Struct, frozen=True):
    """Who has signed in; the session itself is in the cookies."""

    login: str


class SessionLine(msgspec.Struct, frozen=True):
    """A session as its user sees it; times in seconds since the epoch."""

    name: str
    created: float
    expires: float
    address: str
    browser: str
    strong: bool
    current: bool


class SessionList(msgspec.Struct, frozen=True):
    """The sessions of a user, newest first."""

    items: list[SessionLine]


@post("/v1/sessions", action="session.begin", status_code=201, summary="Sign in", operation_id="signIn")
async def begin(request: AnyRequest, desk: People, data: JSONBody[Entry]) -> Response[SignedIn]:
    """Begin a session with a password and, where the user has one, a code."""
    admitted = await desk.signin.password(data.login, data.password, data.code, _attempt(request))
    return _welcome(admitted)


@post("/v1/sessions/passkey", action="session.begin", summary="Ask for a passkey", operation_id="askPasskey")
async def ask(ctx: Ctx, desk: People) -> dict[str, Any]:
    """Return what a browser needs to show a passkey."""
    return desk.passkeys.ask(ctx.clock.now())


@post(
    "/v1/sessions/passkey/answer",
    action="session.begin",
    status_code=201,
    summary="Sign in with a passkey",
    operation_id="signInByPasskey",
)
async def answer(request: AnyRequest, ctx: Ctx, desk: People, data: JSONBody[KeyEntry]) -> Response[SignedIn]:
    """Begin a session with a passkey."""
    desk.directory.check_open()
    login = claimed(data.answer)
    user = desk.directory.user(login)
    held, version = await desk.vault.read(login) if user else (Secrets(), 0)
    newer = desk.passkeys.shown(held, data.ticket, data.answer, ctx.clock.now())
    if user is None or user.disabled:
        raise DeniedError("That passkey does not open this.")
    keep = [desk.vault.put(login, newer, version)]
    return _welcome(await desk.signin.admit(login, _attempt(request), strong=True, keep=keep))


@delete("/v1/sessions/current", action="me.write", status_code=204, summary="Sign out", operation_id="signOut")
async def sign_out(request: AnyRequest, ctx: Ctx, desk: People, principal: Caller) -> Response[None]:
    """End the session that asks."""
    name = current(request)
    if name:
        await sessions.end(ctx.store, desk.directory, principal.who, principal.user, name)
    response = Response(None, status_code=204)
    response.set_cookie(SESSION, "", max_age=0, path="/", secure=True, httponly=True, samesite="lax")
    return response


@get("/v1/sessions", action="me.read", summary="List one's sessions", operation_id="listSessions")
async def find(request: AnyRequest, desk: People, principal: Caller) -> SessionList:
    """Return the sessions of who asks."""
    mine = sorted(desk.directory.sessions(principal.user), key=lambda pair: -pair[1].created)
    here = current(request)
    return SessionList(
        [
            SessionLine(name, one.created, one.expires, one.address, one.browser, one.strong, name == here)
            for name, one in mine
        ]
    )


@delete(
    "/v1/sessions/{name:str}", action="me.leave", status_code=204, summary="End a session", operation_id="endSession"
)
async def end(ctx: Ctx, desk: People, principal: Caller, name: FromPath[str]) -> None:
    """End one of one's sessions; a narrowed token can't."""
    refuse_narrowed(principal)
    await sessions.end(ctx.store, desk.directory, principal.who, principal.user, name)


def refuse_narrowed(principal: Principal) -> None:
    """Refuse a token that stands for less than its user: it does not speak for the whole account."""
    scope = principal.scope
    if scope is not None and scope != Scope(networks=scope.networks):
        raise DeniedError("A narrowed token can't do that.")


def current(request: AnyRequest) -> str:
    """Return the name of the session that asks, "" where none does."""
    return cookie_of(seen(request.scope), SESSION).partition(".")[0]


def _attempt(request: AnyRequest) -> Attempt:
    shown = seen(request.scope)
    if b"origin" in shown.fields:
        refuse_foreign(shown)  # nobody is signed in by another site's page, into whatever account
    return Attempt(address=shown.address, browser=shown.field(b"user-agent"), device=cookie_of(shown, DEVICE))


def _welcome(admitted: Admitted) -> Response[SignedIn]:
    response = Response(SignedIn(admitted.login), status_code=201, headers={"cache-control": "no-store"})
    for key, value, age in ((SESSION, admitted.cookie, int(sessions.LIFETIME)), (DEVICE, admitted.device, _YEAR)):
        response.set_cookie(key, value, max_age=age, path="/", secure=True, httponly=True, samesite="lax")
    return response


ROUTES: list[ControllerRouterHandler] = [begin, ask, answer, sign_out, find, end]
