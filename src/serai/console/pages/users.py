"""Everybody who can sign in, for operators: made, found, let in by a link, locked out."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import Response, get, post
from litestar.types import ControllerRouterHandler
from msgspec import Meta

from serai.api.accounts import Opened
from serai.api.answers import descriptor, segment
from serai.api.shapes import Page
from serai.console.depend import Filled, Visitor
from serai.console.forms import Form, Short
from serai.console.nav import Crumb, Nav
from serai.console.secrecy import as_seen
from serai.console.versions import over
from serai.console.visit import Visit
from serai.services.paths import PLATFORM

NAV = (Nav(title="All people", path="/people", order=61, action="user.read"),)
AT_ONCE = 50  # users on a page
USERS = "/people"
Title = Annotated[str, Meta(max_length=100)]


class NewUser(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who will be able to sign in."""

    login: Annotated[str, Meta(max_length=32)]
    email: Short
    title: Title = ""
    operator: bool = False


def home(login: str) -> str:
    """Return the page of an account."""
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
        return link(visit, form.data.login, form.result)
    return await _users(visit, form)


def link(visit: Visit, login: str, told: object) -> Response[str]:
    """Show the link by which somebody sets a password, this once."""
    visit.form = None
    return visit.page(
        "link-made.html",
        title="A new password",
        crumbs=(Crumb("All people", USERS), Crumb(login, home(login)), Crumb("A new password")),
        link=as_seen(visit, msgspec.convert(told, Opened).link),
        about=f"Send this link to {login}: with it they set a password, within a day.",
        back=home(login),
    )


ROUTES: list[ControllerRouterHandler] = [users, make]
