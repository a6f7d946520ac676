"""Roles: the built-in ones, and those of a tenant's or the platform's own."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler
from msgspec import Meta

from serai.api.answers import descriptor, segment
from serai.api.shapes import Descriptor
from serai.console.depend import Filled, Visitor
from serai.console.forms import Empty, Form, Short
from serai.console.nav import Crumb, Nav
from serai.console.roles import about, roles_of
from serai.console.versions import gone, meanwhile, over
from serai.console.visit import Visit
from serai.errors import NotFoundError
from serai.services.paths import PLATFORM

NAV = (Nav(title="Roles", path="/tenants/{tenant}/roles", order=62, action="role.read"),)
ROLES = "/tenants/{tenant:str}/roles"
ONE = f"{ROLES}/{{name:str}}"
Lines = Annotated[str, Meta(max_length=20_000)]


class NewRole(msgspec.Struct, frozen=True, kw_only=True):
    """A role to be; ``actions`` one a line."""

    name: Annotated[str, Meta(max_length=63)]
    title: Short = ""
    actions: Lines


class Changed(msgspec.Struct, frozen=True, kw_only=True):
    """A role as it is to be; ``version`` is the one that the form was made from."""

    title: Short = ""
    actions: Lines
    version: int


class Confirmed(msgspec.Struct, frozen=True):
    """The name of what is to go, repeated."""

    repeat: Short


@get(ROLES)
async def roles(visit: Visitor) -> Response[str]:
    """List the roles that can be given here, and what each allows."""
    return await _roles(visit, Form.of(NewRole))


async def _roles(visit: Visit, form: Form[NewRole]) -> Response[str]:
    found = await roles_of(visit)
    visit.form = form
    return visit.page(
        "roles.html",
        title="Roles",
        crumbs=_crumbs(visit),
        roles=[(one, about(one)) for one in found],
        may_write=visit.may("role.write", visit.tenant),
    )


def _crumbs(visit: Visit, last: str = "") -> tuple[Crumb, ...]:
    home = Crumb(visit.tenant, visit.home) if visit.tenant else Crumb("All people", "/people")
    way = (home, Crumb("People", f"{visit.home}/people"))
    return (*way, Crumb("Roles", f"{visit.home}/roles"), Crumb(last)) if last else (*way, Crumb("Roles"))


@post(ROLES)
async def make(visit: Visitor, form: Filled[NewRole]) -> Response[str]:
    """Make a role."""

    async def send(new: NewRole) -> object:
        body = {"title": new.title, "actions": new.actions.split()}
        return await visit.calls.call("PUT", descriptor("role", visit.tenant, new.name), body, headers=over(0))

    if await form.send(send):
        return visit.go(f"{visit.home}/roles", f"The role {form.data.name} can be given now.")
    return await _roles(visit, form)


@get(ONE)
async def show(visit: Visitor, name: FromPath[str]) -> Response[str]:
    """Show a role of one's own, in a form for who may change it."""
    try:
        there = await visit.calls.read(Descriptor, descriptor("role", visit.tenant, name), keep=True)
    except NotFoundError:
        back = visit.may("apply.write", visit.tenant) and visit.may("role.write", visit.tenant)
        answer: Response[str] = await gone(
            visit,
            "role",
            name,
            crumbs=_crumbs(visit, name),
            back=f"{visit.home}/roles/{segment(name)}/undelete" if back else "",
        )
        return answer
    return _role(visit, name, _form(there))


def _form(there: Descriptor) -> Form[Changed]:
    actions = "\n".join(there.spec["actions"])
    return Form.of(Changed, title=there.spec.get("title", ""), actions=actions, version=there.version)


def _role(visit: Visit, name: str, form: Form[Changed], theirs: object = None) -> Response[str]:
    visit.form = form
    return visit.page(
        "role.html",
        title=name,
        crumbs=_crumbs(visit, name),
        name=name,
        theirs=theirs,
        may_write=visit.may("role.write", visit.tenant),
        may_delete=visit.may("role.delete", visit.tenant),
    )


@post(ONE)
async def save(visit: Visitor, form: Filled[Changed], name: FromPath[str]) -> Response[str]:
    """Change a role for all who have it; what somebody else changed meanwhile is shown, and not overwritten."""
    path = descriptor("role", visit.tenant, name)

    async def send(data: Changed) -> object:
        body = {"title": data.title, "actions": data.actions.split()}
        return await visit.calls.call("PUT", path, body, headers=over(data.version))

    if await form.send(send):
        return visit.go(f"{visit.home}/roles", f"The role {name} is saved.")
    return _role(visit, name, form, await meanwhile(visit, form, path))


@post(f"{ONE}/delete")
async def delete(visit: Visitor, form: Filled[Confirmed], name: FromPath[str]) -> Response[str]:
    """Delete a role whose name was repeated; who has it may nothing by it from then on."""
    path = descriptor("role", visit.tenant, name)
    if await form.send(lambda data: visit.calls.call("DELETE", path, query={"confirm": data.repeat})):
        return visit.go(f"{visit.home}/roles/{segment(name)}", f"The role {name} is deleted.")
    again = _form(await visit.calls.read(Descriptor, path))
    again.error, again.status = form.error or next(iter(form.errors.values()), ""), form.status
    return _role(visit, name, again)


@post(f"{ONE}/undelete")
async def undelete(visit: Visitor, form: Filled[Empty], name: FromPath[str]) -> Response[str]:
    """Bring a deleted role back."""
    query, body = {"tenant": visit.tenant or PLATFORM}, {"kind": "role", "name": name}
    if await form.send(lambda _data: visit.calls.call("POST", "/v1/undelete", body, query)):
        return visit.go(f"{visit.home}/roles", f"The role {name} is back.")
    again = Form.of(NewRole)
    again.error, again.status = form.error, form.status
    return await _roles(visit, again)


ROUTES: list[ControllerRouterHandler] = [roles, make, show, save, delete, undelete]
