"""Who may do what with one app: those with a role of this app alone, and those whose role is the whole tenant's."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import msgspec
from litestar import Response, get, post
from litestar.types import ControllerRouterHandler
from msgspec import Meta

from serai.api.accounts import RoleList
from serai.api.answers import Parameters, descriptor, segment
from serai.api.invitations import InvitationList
from serai.api.shapes import Page
from serai.console.depend import Filled, Visitor
from serai.console.forms import Form, Short
from serai.console.nav import Nav, way
from serai.console.pages.app_gone import unless_gone
from serai.console.places import above, at_app, reached
from serai.console.visit import Visit
from serai.errors import InvalidError

PAGE = "/tenants/{tenant:str}/apps/{app:str}/members"
NAV = (Nav(title="Members", path="/tenants/{tenant}/apps/{app}/members", order=60, action="member.read"),)
AT_ONCE = 200  # members of the tenant that a page looks through
WAITING = 50  # invitations on a page
NOT_OF_PEOPLE = frozenset({"app", "host", "operator"})

Login = Annotated[str, Meta(max_length=64)]
Role = Annotated[str, Meta(max_length=63)]


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """A role for somebody; ``version`` is that of the one they had, 0 for none."""

    login: Login
    role: Role
    version: Annotated[int, Meta(ge=0)] = 0


class Removal(msgspec.Struct, frozen=True, kw_only=True):
    """Whose role is taken away, and their login repeated."""

    login: Login
    repeat: Short


class Guest(msgspec.Struct, frozen=True, kw_only=True):
    """Who is invited to this app, as what."""

    email: Short
    role: Role


class Withdrawn(msgspec.Struct, frozen=True):
    """The name of an invitation."""

    name: Short


@get(PAGE)
async def show(visit: Visitor) -> Response[str]:
    """Show who may do what."""
    return await unless_gone(visit, _page(visit))


@post(PAGE)
async def put(visit: Visitor, form: Filled[Member]) -> Response[str]:
    """Give somebody a role in this app, unless somebody else just gave them another."""

    async def send(data: Member) -> None:
        if not data.login or ":" in data.login:
            raise InvalidError("That is no login.", path="login")
        bound = {"if-match": f'"{data.version}"'} if data.version else {"if-none-match": "*"}
        await visit.calls.call("PUT", _path(visit, data.login), {"role": data.role}, headers=bound)

    if await form.send(send):
        return visit.go(_here(visit), f"{form.data.login} is {form.data.role} of {visit.app} now.")
    return await _page(visit, member=form)


@post(f"{PAGE}/remove")
async def remove(visit: Visitor, form: Filled[Removal]) -> Response[str]:
    """Take somebody's role in this app away."""

    async def send(data: Removal) -> None:
        if data.repeat != data.login:
            raise InvalidError("That is not their login: they keep the role.")
        path = _path(visit, data.login)
        await visit.calls.call("DELETE", path, query={"confirm": f"{data.login}:{visit.app}"})

    if await form.send(send):
        again = f"{_here(visit)}?login={segment(form.data.login)}"
        return visit.go(again, f"{form.data.login} has no role of this app any more. To undo it, give one below.")
    return await _page(visit, fault=form)


@post(f"{PAGE}/invite")
async def invite(visit: Visitor, form: Filled[Guest]) -> Response[str]:
    """Invite somebody to this app; their link is shown this once."""

    async def send(data: Guest) -> Any:
        wanted = {"email": data.email.strip(), "role": data.role, "app": visit.app}
        return await visit.calls.call("POST", f"/v1/invitations/{segment(visit.tenant)}", wanted)

    if await form.send(send):
        link = reached(visit, str(form.result["link"]))
        visit.form = None
        return await _page(visit, link=link, email=form.data.email)
    return await _page(visit, guest=form)


@post(f"{PAGE}/invitations/withdraw")
async def withdraw(visit: Visitor, form: Filled[Withdrawn]) -> Response[str]:
    """Withdraw an invitation."""
    path = f"/v1/invitations/{segment(visit.tenant)}"
    if await form.send(lambda data: visit.calls.call("DELETE", f"{path}/{segment(data.name)}")):
        return visit.go(_here(visit), "The invitation is withdrawn.")
    return await _page(visit, fault=form)


async def _page(
    visit: Visit,
    *,
    member: Form[Member] | None = None,
    guest: Form[Guest] | None = None,
    fault: Form[Any] | None = None,
    link: str = "",
    email: str = "",
) -> Response[str]:
    given = visit.request.query_params
    may_write, may_invite = (visit.may(f"{what}.write", visit.tenant) for what in ("member", "invitation"))
    _, found, roles, invited = await asyncio.gather(
        visit.calls.get(above(visit), keep=True),
        visit.calls.read(
            Page, "/v1/member", {"tenant": visit.tenant, "limit": AT_ONCE, "after": given.get("after", "")}, keep=True
        ),
        _roles(visit, wanted=may_write or may_invite),
        _invited(visit, given.get("invited", "")),
    )
    here = {one.name.partition(":")[0]: one for one in found.items if one.name.partition(":")[2] == visit.app}
    fault = fault or member or guest or Form(Removal)
    return visit.page(
        "app-members.html",
        title=visit.app,
        crumbs=way(visit.tenant, visit.app, "Members"),
        at=_here(visit),
        here=here,
        everywhere=[one for one in found.items if ":" not in one.name],
        next=found.next,
        roles=roles,
        invited=invited.items,
        next_invited=invited.next,
        member=member or Form.of(Member, login=given.get("login", ""), role="developer"),
        guest=guest or Form.of(Guest, role="developer"),
        fault=fault,
        link=link,
        email=email,
        may_write=may_write,
        may_delete=visit.may("member.delete", visit.tenant),
        may_invite=may_invite,
        may_withdraw=visit.may("invitation.delete", visit.tenant),
        http_status=fault.status,
    )


async def _roles(visit: Visit, *, wanted: bool) -> list[tuple[str, str]]:
    """Return the roles that can be given to people here."""
    if not (wanted and visit.may("role.read", visit.tenant)):
        return []
    found = await visit.calls.read(RoleList, f"/v1/roles/{segment(visit.tenant)}", keep=True)
    return [(one.name, one.title or one.name) for one in found.items if one.name not in NOT_OF_PEOPLE]


async def _invited(visit: Visit, after: str) -> InvitationList:
    """Return some of the invitations to this app that wait."""
    if not visit.may("invitation.read", visit.tenant):
        return InvitationList([])
    query: Parameters = {"app": visit.app, "after": after, "limit": WAITING}
    return await visit.calls.read(InvitationList, f"/v1/invitations/{segment(visit.tenant)}", query, keep=True)


def _path(visit: Visit, login: str) -> str:
    return descriptor("member", visit.tenant, f"{login}:{visit.app}")


def _here(visit: Visit) -> str:
    return f"{at_app(visit)}/members"


ROUTES: list[ControllerRouterHandler] = [show, put, remove, invite, withdraw]
