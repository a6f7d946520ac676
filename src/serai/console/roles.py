"""Roles as pages offer them: those that the visitor could give, and what each is in a few words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from serai.api.accounts import Role, RoleList
from serai.api.answers import segment
from serai.console.visit import Visit
from serai.services.paths import PLATFORM

#: The built-in roles that people have; the others are programs'.
ABOUT: Mapping[str, str] = {
    "owner": "everything in the tenant: also people, tokens, deletion of apps, the audit",
    "developer": "deploys, scales, promotes, rolls back; domains, variables, tasks, shells",
    "viewer": "sees everything but variables, and changes nothing",
    "billing": "sees the tenant and what it uses",
    "operator": "everything",
}


async def roles_of(visit: Visit) -> list[Role]:
    """Return all roles that people can have where a page is."""
    found = await visit.calls.read(RoleList, f"/v1/roles/{segment(visit.tenant or PLATFORM)}", keep=True)
    return [one for one in found.items if not one.built_in or one.name in ABOUT]


def given(visit: Visit, roles: Iterable[Role], has: str = "") -> list[tuple[str, str]]:
    """Return (name, text) of the roles that the visitor could give, as the API judges it, and of what somebody has."""
    return [
        (one.name, f"{one.name}: {said}" if (said := about(one)) else one.name)
        for one in roles
        if one.name == has or all(visit.may(action, visit.tenant) for action in one.actions)
    ]


def about(role: Role) -> str:
    """Return what a role is, in a few words."""
    return role.title or (ABOUT.get(role.name, "") if role.built_in else "")
