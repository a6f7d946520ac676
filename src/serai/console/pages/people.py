"""Who may do what in a tenant, or in single apps of it: members, and invitations whose links are shown once."""

from __future__ import annotations

import asyncio
from typing import Annotated

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler
from msgspec import Meta

from serai.api.answers import descriptor, segment
from serai.api.invitations import InvitationList, Invited
from serai.api.shapes import Descriptor, Page
from serai.console.depend import Filled, Visitor
from serai.console.forms import Empty, Form, Short
from serai.console.nav import Crumb, Nav
from serai.console.roles import given, roles_of
from serai.console.secrecy import as_seen
from serai.console.versions import gone, meanwhile, over
from serai.console.visit import Visit
from serai.errors import NotFoundError
from serai.services.paths import PLATFORM

NAV = (Nav(title="People", path="/tenants/{tenant}/people", order=60, action="member.read"),)
PEOPLE = "/tenants/{tenant:str}/people"
ONE = f"{PEOPLE}/{{name:str}}"
INVITATION = "/tenants/{tenant:str}/invitations/{name:str}"
AT_ONCE = 50  # members on a page, and invitations
Label = Annotated[str, Meta(max_length=63)]


class Newcomer(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody to be let in: a login, or an address that an invitation is for; ``app`` narrows it to one app."""

    who: Short
    role: Label = "developer"
    app: Label = ""


class Membership(msgspec.Struct, frozen=True, kw_only=True):
    """A member's role; ``version`` is the one that the form was made from."""

    role: Label
    version: int


class Confirmed(msgspec.Struct, frozen=True):
    """The name of who is to go, repeated."""

    repeat: Short


@get(PEOPLE)
async def people(visit: Visitor) -> Response[str]:
    """List members and invitations."""
    return await _people(visit, Form.of(Newcomer))


async def _people(visit: Visit, form: Form[Newcomer]) -> Response[str]:
    tenant = visit.tenant
    query = {"tenant": tenant or PLATFORM, "after": visit.request.query_params.get("after", ""), "limit": AT_ONCE}
    may_add, may_invite = visit.may("member.write", tenant), visit.may("invitation.write", tenant)
    members, invited, roles = await asyncio.gather(
        visit.calls.read(Page, "/v1/member", query, keep=True),
        _waiting(visit, after=visit.request.query_params.get("invited", "")),
        _options(visit, wanted=may_add or may_invite),
    )
    visit.form = form
    return visit.page(
        "people.html",
        title="People",
        crumbs=_crumbs(visit),
        members=members.items,
        next=members.next,
        waiting=invited.items,
        next_waiting=invited.next,
        roles=roles,
        may_add=may_add,
        may_invite=may_invite,
        may_withdraw=visit.may("invitation.delete", tenant),
    )


async def _waiting(visit: Visit, **query: str) -> InvitationList:
    if not visit.may("invitation.read", visit.tenant):
        return InvitationList([])
    path = f"/v1/invitations/{segment(visit.tenant or PLATFORM)}"
    return await visit.calls.read(InvitationList, path, {**query, "limit": AT_ONCE}, keep=True)


async def _options(visit: Visit, *, wanted: bool, has: str = "") -> list[tuple[str, str]]:
    if not wanted or not visit.may("role.read", visit.tenant):
        return []
    return given(visit, await roles_of(visit), has)


def _crumbs(visit: Visit, last: str = "") -> tuple[Crumb, ...]:
    first = Crumb(visit.tenant, visit.home) if visit.tenant else Crumb("All people", "/people")
    here = "People" if visit.tenant else "Of the platform"
    return (first, Crumb(here, f"{visit.home}/people"), Crumb(last)) if last else (first, Crumb(here))


@post(PEOPLE)
async def add(visit: Visitor, form: Filled[Newcomer]) -> Response[str]:
    """Give somebody who has an account a role, or invite an address."""
    if form.ok and "@" in form.data.who:
        return await _invite(visit, form)

    async def send(new: Newcomer) -> object:
        name = f"{new.who}:{new.app}" if new.app else new.who
        path = descriptor("member", visit.tenant, name)
        return await visit.calls.call("PUT", path, {"role": new.role}, headers=over(0))

    if await form.send(send):
        return visit.go(f"{visit.home}/people", f"{form.data.who} is {form.data.role} now.")
    return await _people(visit, form)


async def _invite(visit: Visit, form: Form[Newcomer]) -> Response[str]:
    path = f"/v1/invitations/{segment(visit.tenant or PLATFORM)}"

    def body(new: Newcomer) -> dict[str, str]:
        return {"email": new.who, "role": new.role, "app": new.app}

    if not await form.send(lambda new: visit.calls.call("POST", path, body(new))):
        return await _people(visit, form)
    return _invited(visit, form.result, form.data.who)


def _invited(visit: Visit, told: object, email: str) -> Response[str]:
    """Show an invitation's link, this once."""
    visit.form = None
    return visit.page(
        "link-made.html",
        title="An invitation",
        crumbs=_crumbs(visit, "An invitation"),
        link=as_seen(visit, msgspec.convert(told, Invited).link),
        about=f"Send this link to {email}. It is for that address alone, and holds for a week.",
        back=f"{visit.home}/people",
    )


@post(f"{INVITATION}/renew")
async def renew(visit: Visitor, form: Filled[Empty], name: FromPath[str]) -> Response[str]:
    """Invite somebody again, by another link; the one before opens nothing any more."""
    path = f"/v1/invitations/{segment(visit.tenant or PLATFORM)}"
    old = next((one for one in (await _waiting(visit, prefix=name)).items if one.name == name), None)
    if old is None:
        raise NotFoundError("That invitation does not wait any more: it was taken up, withdrawn, or is too old.")
    body = {"email": old.email, "role": old.role, "app": old.app}
    if await form.send(lambda _data: visit.calls.call("POST", path, body)):
        told = form.result
        if await form.send(lambda _data: visit.calls.call("DELETE", f"{path}/{segment(name)}")):
            return _invited(visit, told, old.email)
    return await _refused(visit, form)


@post(f"{INVITATION}/withdraw")
async def withdraw(visit: Visitor, form: Filled[Empty], name: FromPath[str]) -> Response[str]:
    """Withdraw an invitation: its link opens nothing any more."""
    path = f"/v1/invitations/{segment(visit.tenant or PLATFORM)}/{segment(name)}"
    if await form.send(lambda _data: visit.calls.call("DELETE", path)):
        return visit.go(f"{visit.home}/people", "The invitation is withdrawn.")
    return await _refused(visit, form)


async def _refused(visit: Visit, form: Form[Empty]) -> Response[str]:
    again = Form.of(Newcomer)
    again.error, again.status = form.error, form.status
    return await _people(visit, again)


@get(ONE)
async def show(visit: Visitor, name: FromPath[str]) -> Response[str]:
    """Show a member's role, in a form for who may change it."""
    try:
        there = await visit.calls.read(Descriptor, descriptor("member", visit.tenant, name), keep=True)
    except NotFoundError:
        back = visit.may("apply.write", visit.tenant) and visit.may("member.write", visit.tenant)
        answer: Response[str] = await gone(
            visit,
            "member",
            name,
            what="membership",
            crumbs=_crumbs(visit, name),
            back=f"{visit.home}/people/{segment(name)}/undelete" if back else "",
        )
        return answer
    return await _member(visit, name, Form.of(Membership, role=there.spec["role"], version=there.version))


async def _member(visit: Visit, name: str, form: Form[Membership], theirs: object = None) -> Response[str]:
    login, _, app = name.partition(":")
    may_write = visit.may("member.write", visit.tenant)
    roles = await _options(visit, wanted=may_write, has=form.value("role"))
    visit.form = form
    return visit.page(
        "member.html",
        title=login,
        crumbs=_crumbs(visit, name),
        name=name,
        app=app,
        roles=roles,
        theirs=theirs,
        may_write=may_write,
        may_delete=visit.may("member.delete", visit.tenant),
        myself=login == visit.login,
    )


@post(ONE)
async def save(visit: Visitor, form: Filled[Membership], name: FromPath[str]) -> Response[str]:
    """Give a member another role; what somebody else changed meanwhile is shown, and not overwritten."""
    path = descriptor("member", visit.tenant, name)
    if await form.send(lambda one: visit.calls.call("PUT", path, {"role": one.role}, headers=over(one.version))):
        return visit.go(f"{visit.home}/people", f"{name.partition(':')[0]} is {form.data.role} now.")
    return await _member(visit, name, form, await meanwhile(visit, form, path))


@post(f"{ONE}/remove")
async def remove(visit: Visitor, form: Filled[Confirmed], name: FromPath[str]) -> Response[str]:
    """Take a role away from a member whose name was repeated."""
    path = descriptor("member", visit.tenant, name)
    if await form.send(lambda data: visit.calls.call("DELETE", path, query={"confirm": data.repeat})):
        myself = name.partition(":")[0] == visit.login
        return visit.go("/tenants" if myself else f"{visit.home}/people/{segment(name)}", f"{name} is removed.")
    there = await visit.calls.read(Descriptor, path)
    again = Form.of(Membership, role=there.spec["role"], version=there.version)
    again.error, again.status = form.error or next(iter(form.errors.values()), ""), form.status
    return await _member(visit, name, again)


@post(f"{ONE}/undelete")
async def undelete(visit: Visitor, form: Filled[Empty], name: FromPath[str]) -> Response[str]:
    """Give a member their role back."""
    query, body = {"tenant": visit.tenant or PLATFORM}, {"kind": "member", "name": name}
    if await form.send(lambda _data: visit.calls.call("POST", "/v1/undelete", body, query)):
        return visit.go(f"{visit.home}/people", f"{name} is back.")
    return await _refused(visit, form)


ROUTES: list[ControllerRouterHandler] = [people, add, renew, withdraw, show, save, remove, undelete]
