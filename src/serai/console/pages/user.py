"""One account, for operators: what it may where, what proves it, where it is signed in; changed, locked out."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler
from msgspec import Meta

from serai.api.accounts import Account, AccountSessions
from serai.api.answers import descriptor, segment
from serai.api.shapes import Descriptor
from serai.console.depend import Filled, Visitor
from serai.console.forms import Empty, Form, Short
from serai.console.nav import Crumb
from serai.console.pages.users import USERS, Title, home, link
from serai.console.roles import ABOUT
from serai.console.versions import gone, meanwhile, over
from serai.console.visit import Visit
from serai.errors import NotFoundError
from serai.services.paths import PLATFORM

ONE = "/people/{login:str}"


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a user; ``version`` is the one that the form was made from."""

    email: Short = ""
    title: Title = ""
    version: int


class Lock(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a user is locked out, over a version."""

    disabled: bool = False
    version: int


class Reset(msgspec.Struct, frozen=True, kw_only=True):
    """Whether authenticator app, recovery codes and passkeys go with the password."""

    factors: bool = False


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """The session to end, "" for all."""

    session: Annotated[str, Meta(max_length=64)] = ""


class Joining(msgspec.Struct, frozen=True, kw_only=True):
    """Where somebody is let in: a tenant, or "-" for the platform, as what, and in which app of it alone."""

    tenant: Annotated[str, Meta(max_length=64)]
    role: Annotated[str, Meta(max_length=63)]
    app: Annotated[str, Meta(max_length=63)] = ""


class Confirmed(msgspec.Struct, frozen=True):
    """The login of who is to go, repeated."""

    repeat: Short


@get(ONE)
async def show(visit: Visitor, login: FromPath[str]) -> Response[str]:
    """Show an account: what it may where, what proves it, where it is signed in."""
    return await _shown(visit, login)


async def _shown(
    visit: Visit,
    login: str,
    form: Form[Profile] | None = None,
    theirs: object = None,
    error: str = "",
    status: int = 200,
    joining: Form[Joining] | None = None,
) -> Response[str]:
    path = f"/v1/users/{segment(login)}"
    try:
        there, account, sessions = await asyncio.gather(
            visit.calls.read(Descriptor, descriptor("user", "", login), keep=True),
            visit.calls.read(Account, path, keep=True),
            visit.calls.read(AccountSessions, f"{path}/sessions", keep=True),
        )
    except NotFoundError:
        return await _gone(visit, login)
    if form is None:
        form = Form.of(Profile, email=account.email, title=account.title, version=there.version)
        form.error, form.status = error, status
    visit.form = form
    return visit.page(
        "user.html",
        title=login,
        crumbs=(Crumb("All people", USERS), Crumb(login)),
        account=account,
        version=there.version,
        sessions=sessions.items,
        theirs=theirs,
        home=home(login),
        myself=login == visit.login,
        may_write=visit.may("user.write"),
        may_delete=visit.may("user.delete"),
        may_let_in=visit.may("member.write"),
        joining=joining or Form.of(Joining),
        roles=sorted(ABOUT),
    )


async def _gone(visit: Visit, login: str) -> Response[str]:
    answer: Response[str] = await gone(
        visit,
        "user",
        login,
        what="account",
        crumbs=(Crumb("All people", USERS), Crumb(login)),
        back=f"{home(login)}/undelete" if visit.may("apply.write") and visit.may("user.write") else "",
        note="Memberships, tokens, sessions and what proved it have ended for good; the account alone can come back.",
    )
    return answer


@post(ONE)
async def save(visit: Visitor, form: Filled[Profile], login: FromPath[str]) -> Response[str]:
    """Change a user's address and name; what somebody else changed meanwhile is shown, and not overwritten."""
    path = descriptor("user", "", login)

    async def send(data: Profile) -> object:
        body = {"email": data.email, "title": data.title}
        return await visit.calls.call("PATCH", path, body, headers=over(data.version))

    if await form.send(send):
        return visit.go(home(login), "The account is saved.")
    return await _shown(visit, login, form, await meanwhile(visit, form, path))


@post(f"{ONE}/lock")
async def lock(visit: Visitor, form: Filled[Lock], login: FromPath[str]) -> Response[str]:
    """Lock a user out, or let them in again; sessions end, and tokens do not count, as long as they are out."""
    path = descriptor("user", "", login)
    if await form.send(
        lambda data: visit.calls.call("PATCH", path, {"disabled": data.disabled}, headers=over(data.version))
    ):
        return visit.go(home(login), f"{login} {'is locked out' if form.data.disabled else 'may come in again'}.")
    return await _refused(visit, login, form)


@post(f"{ONE}/join")
async def join(visit: Visitor, form: Filled[Joining], login: FromPath[str]) -> Response[str]:
    """Give a user a role in a tenant, or on the platform."""

    async def send(new: Joining) -> object:
        path = descriptor("member", new.tenant.removeprefix(PLATFORM), f"{login}:{new.app}" if new.app else login)
        return await visit.calls.call("PUT", path, {"role": new.role}, headers=over(0))

    if await form.send(send):
        where = "the platform" if form.data.tenant == PLATFORM else form.data.tenant
        return visit.go(home(login), f"{login} is {form.data.role} of {form.data.app or where} now.")
    return await _shown(visit, login, joining=form, status=form.status)


@post(f"{ONE}/reset")
async def reset(visit: Visitor, form: Filled[Reset], login: FromPath[str]) -> Response[str]:
    """End a user's password and sessions, and show the link by which they set another one, this once."""
    if await form.send(lambda data: visit.calls.call("POST", f"/v1/users/{segment(login)}/reset", data)):
        return link(visit, login, form.result)
    return await _refused(visit, login, form)


@post(f"{ONE}/end")
async def end(visit: Visitor, form: Filled[Ending], login: FromPath[str]) -> Response[str]:
    """End one of a user's sessions, or all."""
    path = f"/v1/users/{segment(login)}/sessions"
    if await form.send(lambda data: visit.calls.call("DELETE", path, query={"session": data.session})):
        one = bool(form.data.session)
        return visit.go(home(login), "That session has ended." if one else f"{login} is signed out everywhere.")
    return await _refused(visit, login, form)


@post(f"{ONE}/delete")
async def delete(visit: Visitor, form: Filled[Confirmed], login: FromPath[str]) -> Response[str]:
    """Delete an account whose login was repeated, with all that is its own."""
    path = descriptor("user", "", login)
    if await form.send(lambda data: visit.calls.call("DELETE", path, query={"confirm": data.repeat})):
        return visit.go(home(login), f"{login} is deleted.")
    return await _refused(visit, login, form)


@post(f"{ONE}/undelete")
async def undelete(visit: Visitor, form: Filled[Empty], login: FromPath[str]) -> Response[str]:
    """Bring an account back; it belongs nowhere, and a new link opens it."""
    body = {"kind": "user", "name": login}
    if await form.send(lambda _data: visit.calls.call("POST", "/v1/undelete", body, {"tenant": PLATFORM})):
        return visit.go(home(login), f"{login} is back, and needs a link for a new password.")
    return await _refused(visit, login, form)


async def _refused(visit: Visit, login: str, form: Form[Any]) -> Response[str]:
    """Show an account with what was refused."""
    return await _shown(visit, login, error=form.error or next(iter(form.errors.values()), ""), status=form.status)


ROUTES: list[ControllerRouterHandler] = [show, save, lock, join, reset, end, delete, undelete]
