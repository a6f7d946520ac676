"""Decide whether this principal may do that to this: the one place where it is decided.

Every entrance asks here and nowhere else. What nothing allows is denied. Whoever was granted nothing that reaches a
target gets the answer for what does not exist, so names of foreign things can't be probed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from serai.errors import DeniedError, NotFoundError
from serai.identity.principals import Principal
from serai.identity.roles import ROLES, allows


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


def allowed(
    principal: Principal, action: str, target: Target, *, roles: Mapping[str, Sequence[str]] = ROLES
) -> tuple[bool, str]:
    """Decide, and say why not; the reason is for the audit, not for the asker."""
    reaching = [grant for grant in principal.grants if grant.covers(target.tenant, target.app)]
    if not reaching:
        return False, "no grant reaches the target"
    if any(allows(roles.get(grant.role, ()), action) for grant in reaching):
        return True, ""
    return False, "no role there allows the action"


def authorize(principal: Principal | None, action: str, target: Target, audit: Audit) -> Principal:
    """Return the principal where it may; record and raise where it may not.

    Raises `DeniedError` for nobody (None) and for too small a role, `NotFoundError` where no grant reaches the
    target: the same answer as for what does not exist.
    """
    if principal is None:
        audit.refused(Refusal(who="nobody", action=action, target=target, reason="not recognised"))
        raise DeniedError("You are not known here.", action=action)
    permitted, reason = allowed(principal, action, target)
    if permitted:
        return principal
    audit.refused(Refusal(who=principal.who, action=action, target=target, reason=reason))
    if any(grant.covers(target.tenant, target.app) for grant in principal.grants):
        raise DeniedError(f"{principal.who} may not do {action} here.", action=action)
    raise NotFoundError("Nothing has that name.", action=action)
