"""Decide whether this principal may do that to this: the one place where it is decided.

Every entrance asks here and nowhere else. What nothing allows is denied. Whoever was granted nothing that reaches a
target gets the answer for what does not exist, so names of foreign things can't be probed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from serai.errors import DeniedError, NotFoundError
from serai.identity.principals import Principal
from serai.identity.roles import OPEN_TO_ALL, OPEN_TO_KNOWN, OPEN_TO_USERS

NOBODY = Principal(kind="user", name="nobody")


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """What an action is done to; ``tenant`` "" is the platform itself, empty fields are not narrowed."""

    tenant: str = ""
    app: str = ""
    kind: str = ""
    name: str = ""


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """One refused attempt, as the audit keeps it."""

    who: str
    action: str
    target: Target
    reason: str


class Audit(Protocol):
    """Whoever keeps refused attempts; it must not raise."""

    def refused(self, refusal: Refusal) -> None:
        """Keep one."""
        ...


def allowed(principal: Principal, action: str, target: Target) -> tuple[bool, str]:
    """Decide, and say why not; the reason is for the audit, not for the asker."""
    if action in OPEN_TO_KNOWN:
        return True, ""
    if action in OPEN_TO_USERS:  # whatever a token's user was granted
        return principal.kind == "user", "only users do that to themselves"
    if not reaches(principal, target):
        return False, "no grant reaches the target"
    if not any(grant.covers(target.tenant, target.app) and grant.allows(action) for grant in principal.grants):
        return False, "no role there allows the action"
    scope = principal.scope
    if scope is not None and not scope.admits(action, target.kind, (target.name, target.app)):
        return False, "the token's scope leaves it out"
    return True, ""


def reaches(principal: Principal, target: Target) -> bool:
    """Tell whether a principal may know that a target's tenant exists."""
    if principal.scope is not None and not principal.scope.covers(target.tenant, target.app):
        return False
    return any(grant.covers(target.tenant, target.app) for grant in principal.grants)


def check_gift(giver: Principal, actions: Sequence[str], target: Target) -> None:
    """Refuse a role, or a token, that would allow more than its giver may; `DeniedError` names what.

    Nobody gives what they do not have: a pattern needs a pattern of the giver's that is as wide.
    """
    for pattern in actions:
        # To `allows` a pattern's own * is a noun or verb like any other: only one as wide or wider matches it.
        permitted, _ = allowed(giver, pattern, Target(tenant=target.tenant, app=target.app))
        if not permitted:
            raise DeniedError(f"You can't give {pattern}, which you don't have there.", action=pattern)


def authorize(principal: Principal | None, action: str, target: Target, audit: Audit, address: str = "") -> Principal:
    """Return the principal where it may, `NOBODY` for what is open to all; record and raise where it may not.

    ``address`` is where somebody asks from who was not recognised.
    Raises `DeniedError` for nobody (None) and for too small a role, `NotFoundError` where no grant reaches the
    target: the same answer as for what does not exist.
    """
    if action in OPEN_TO_ALL:
        return principal or NOBODY
    if principal is None:
        nobody = msgspec.structs.replace(NOBODY, address=address)
        audit.refused(Refusal(who=nobody.who, action=action, target=target, reason="not recognised"))
        raise DeniedError("You are not known here.", action=action, need="sign-in")
    permitted, reason = allowed(principal, action, target)
    if permitted:
        return principal
    audit.refused(Refusal(who=principal.who, action=action, target=target, reason=reason))
    if reaches(principal, target):
        raise DeniedError(f"{principal.id} may not do {action} here.", action=action)
    raise NotFoundError("Nothing has that name.", action=action)
