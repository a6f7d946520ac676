"""Everybody who can sign in, for operators: made, found, let in by a link, locked out."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler
from msgspec import Meta

from serai.api.accounts import Account, AccountSessions, Opened
from serai.api.answers import descriptor, segment
from serai.api.shapes import Descriptor, Page
from serai.console.depend import Filled, Visitor
from serai.console.forms import Empty, Form, Short
from serai.console.nav import Crumb, Nav
from serai.console.secrecy import as_seen
from serai.console.versions import gone, meanwhile, over
from serai.console.visit import Visit
from serai.errors import NotFoundError
from serai.services.paths import PLATFORM

NAV = (Nav(title="All people", path="/people", order=61, action="user.read"),)
AT_ONCE = 50  # users on a page
USERS = "/people"
ONE = "/people/{login:str}"
Title = Annotated[str, Meta(max_length=100)]


class NewUser(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who will be able to sign in."""

    login: Annotated[str, Meta(max_length=32)]
    email: Short
    title: Title = ""
    operator: bool = False


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


class Confirmed(msgspec.Struct, frozen=True):
    """The login of who is to go, repeated."""

    repeat: Short


def _home(login: str) -> str:
    return f"{USERS}/{segment(login)}"


@get(USERS)
async def users(visit: Visitor) -> Response[str]:
    """List users by login."""
    return await _users(visit, Form.of(NewUser))


async def _users(visit: Visit, form: Form[NewUser]) -> Response[str]:
    given = visit.request.query_params
    prefix = given.get("prefix", "").strip()
    query = {"tenant": PLATFORM, "prefix": prefix, "after": given.get("after", ""), "limit": AT_ONCE}
    found = await visit.calls.read(Page, "/v1/user", query, keep=True)
    visit.form = form
    return visit.page(
        "users.html",
        title="All people",
        users=found.items,
        next=found.next,
        prefix=prefix,
        may_write=visit.may("user.write"),
    )


@post(USERS)
async def make(visit: Visitor, form: Filled[NewUser]) -> Response[str]:
    """Make a user, and show the link by which they set their password, this once."""

    async def send(new: NewUser) -> object:
        body = {"login": new.login, "email": new.email, "title": new.title}
        await visit.calls.call("POST", "/v1/users", body)
        if new.operator:
            await visit.calls.call("PUT", descriptor("member", "", new.login), {"role": "operator"}, headers=over(0))
        return await visit.calls.call("POST", f"/v1/users/{segment(new.login)}/reset", {})

    if await form.send(send):
        return _link(visit, form.data.login, form.result)
    return await _users(visit, form)


def _link(visit: Visit, login: str, told: object) -> Response[str]:
    visit.form = None
    return visit.page(
        "link-made.html",
        title="A new password",
        crumbs=(Crumb("All people", USERS), Crumb(login, _home(login)), Crumb("A new password")),
        link=as_seen(visit, msgspec.convert(told, Opened).link),
        about=f"Send this link to {login}: with it they set a password, within a day.",
        back=_home(login),
    )


@get(ONE)
async def show(visit: Visitor, login: FromPath[str]) -> Response[str]:
    """Show an account: what it may where, what proves it, where it is signed in."""
    return await _user(visit, login)


async def _user(
    visit: Visit,
    login: str,
    form: Form[Profile] | None = None,
    theirs: object = None,
    error: str = "",
    status: int = 200,
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
        home=_home(login),
        myself=login == visit.login,
        may_write=visit.may("user.write"),
        may_delete=visit.may("user.delete"),
    )


async def _gone(visit: Visit, login: str) -> Response[str]:
    answer: Response[str] = await gone(
        visit,
        "user",
        login,
        what="account",
        crumbs=(Crumb("All people", USERS), Crumb(login)),
        back=f"{_home(login)}/undelete" if visit.may("apply.write") and visit.may("user.write") else "",
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
        return visit.go(_home(login), "The account is saved.")
    return await _user(visit, login, form, await meanwhile(visit, form, path))


@post(f"{ONE}/lock")
async def lock(visit: Visitor, form: Filled[Lock], login: FromPath[str]) -> Response[str]:
    """Lock a user out, or let them in again; sessions end, and tokens do not count, as long as they are out."""
    path = descriptor("user", "", login)
    if await form.send(
        lambda data: visit.calls.call("PATCH", path, {"disabled": data.disabled}, headers=over(data.version))
    ):
        return visit.go(_home(login), f"{login} {'is locked out' if form.data.disabled else 'may come in again'}.")
    return await _refused(visit, login, form)


@post(f"{ONE}/reset")
async def reset(visit: Visitor, form: Filled[Reset], login: FromPath[str]) -> Response[str]:
    """End a user's password and sessions, and show the link by which they set another one, this once."""
    if await form.send(lambda data: visit.calls.call("POST", f"/v1/users/{segment(login)}/reset", data)):
        return _link(visit, login, form.result)
    return await _refused(visit, login, form)


@post(f"{ONE}/end")
async def end(visit: Visitor, form: Filled[Ending], login: FromPath[str]) -> Response[str]:
    """End one of a user's sessions, or all."""
    path = f"/v1/users/{segment(login)}/sessions"
    if await form.send(lambda data: visit.calls.call("DELETE", path, query={"session": data.session})):
        one = bool(form.data.session)
        return visit.go(_home(login), "That session has ended." if one else f"{login} is signed out everywhere.")
    return await _refused(visit, login, form)


@post(f"{ONE}/delete")
async def delete(visit: Visitor, form: Filled[Confirmed], login: FromPath[str]) -> Response[str]:
    """Delete an account whose login was repeated, with all that is its own."""
    path = descriptor("user", "", login)
    if await form.send(lambda data: visit.calls.call("DELETE", path, query={"confirm": data.repeat})):
        return visit.go(_home(login), f"{login} is deleted.")
    return await _refused(visit, login, form)


@post(f"{ONE}/undelete")
async def undelete(visit: Visitor, form: Filled[Empty], login: FromPath[str]) -> Response[str]:
    """Bring an account back; it belongs nowhere, and a new link opens it."""
    body = {"kind": "user", "name": login}
    if await form.send(lambda _data: visit.calls.call("POST", "/v1/undelete", body, {"tenant": PLATFORM})):
        return visit.go(_home(login), f"{login} is back, and needs a link for a new password.")
    return await _refused(visit, login, form)


async def _refused(visit: Visit, login: str, form: Form[Any]) -> Response[str]:
    """Show an account with what was refused."""
    return await _user(visit, login, error=form.error or next(iter(form.errors.values()), ""), status=form.status)


ROUTES: list[ControllerRouterHandler] = [users, make, show, save, lock, reset, end, delete, undelete]
