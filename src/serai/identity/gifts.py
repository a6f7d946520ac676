"""What must hold before a descriptor that gives somebody power is written: nobody gives what they do not have."""

from __future__ import annotations

from serai.errors import InvalidError, NotFoundError
from serai.identity.authorize import Target, check_gift
from serai.identity.directory import Directory
from serai.identity.people import CustomRole, Member, User
from serai.identity.principals import Principal
from serai.identity.roles import ROLES
from serai.store import Spec


def check_over(directory: Directory, taker: Principal, login: str) -> None:
    """Refuse power over the account of somebody who may more than its taker: it would be theirs the next moment."""
    for grant in directory.grants(login):
        actions = tuple(ROLES.get(grant.role, grant.actions))
        check_gift(taker, actions, Target(tenant=grant.tenant, app=grant.app))


def _check_below(directory: Directory, taker: Principal, login: str) -> None:
    """Refuse to change or end an account with more power over the platform than the taker has."""
    for grant in directory.grants(login):
        if not grant.tenant:
            check_gift(taker, tuple(ROLES.get(grant.role, grant.actions)), Target())


def check_taken(directory: Directory, taker: Principal, kind: type[Spec], tenant: str, name: str) -> None:
    """Refuse a deletion that gives power, or takes it from somebody above.

    A tenant's role may hide one of the platform's: its members would have that one from then on.
    """
    if kind is User:
        _check_below(directory, taker, name)
    if kind is CustomRole and tenant and name in directory.names(CustomRole, ""):
        check_gift(taker, directory.actions("", name), Target(tenant=tenant))


def check_given(directory: Directory, giver: Principal, tenant: str, name: str, spec: Spec) -> None:
    """Refuse a membership or a role that its writer may not give, and an account above theirs; other kinds pass.

    `DeniedError` for what the giver does not have, `InvalidError` for users and roles that are not there.
    """
    if isinstance(spec, User):
        _check_below(directory, giver, name)
    elif isinstance(spec, Member):
        login, _, app = name.partition(":")
        if directory.user(login) is None:
            raise InvalidError("There is no such user: invite them.", path="name")
        try:
            actions = directory.actions(tenant, spec.role)
        except NotFoundError:
            raise InvalidError("There is no such role.", path="$.role", role=spec.role[:64]) from None
        check_gift(giver, actions, Target(tenant=tenant, app=app))
    elif isinstance(spec, CustomRole):
        if name in ROLES:
            raise InvalidError("That role is built in.", path="name")
        check_gift(giver, spec.actions, Target(tenant=tenant))
