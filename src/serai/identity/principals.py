"""Who asks."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address, ip_network
from typing import Literal

import msgspec

from serai.errors import InvalidError
from serai.identity.roles import ROLES, allows, check_patterns
from serai.store.audit import FROM

MAX_SCOPE = 100  # entries of each of a scope's lists


class Grant(msgspec.Struct, frozen=True):
    """A role and where it holds.

    ``tenant`` "" means the platform and every tenant in it; ``app`` narrows a tenant's grant to one app. ``actions``
    are those of a role that is not built in, found when the principal was recognised.
    """

    role: str
    tenant: str = ""
    app: str = ""
    actions: tuple[str, ...] = ()

    def covers(self, tenant: str, app: str) -> bool:
        """Tell whether the grant reaches a tenant ("" is the platform itself) and an app ("" is all of the tenant)."""
        if not self.tenant:
            return True
        return self.tenant == tenant and self.app in {"", app}

    def allows(self, action: str) -> bool:
        """Tell whether the role lists an action."""
        return allows(ROLES.get(self.role, self.actions), action)


class Scope(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What narrows a token further; an empty list narrows nothing.

    ``actions`` are patterns as in roles; ``names`` are names of apps and descriptors, a ``*`` at the end for any
    ending; ``networks`` are the addresses it may be used from, such as 192.0.2.0/24.
    """

    tenant: str = ""
    app: str = ""
    kinds: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()

    def check(self) -> None:
        """Refuse what can't be meant; `InvalidError` with its path."""
        for field in ("kinds", "actions", "names", "networks"):
            if len(getattr(self, field)) > MAX_SCOPE:
                raise InvalidError(f"A scope lists at most {MAX_SCOPE} {field}.", path=f"$.scope.{field}")
        check_patterns(self.actions, "$.scope.actions")
        for network in self.networks:
            try:
                ip_network(network)
            except ValueError:
                raise InvalidError("That is not a network.", path="$.scope.networks") from None
        if self.app and not self.tenant:
            raise InvalidError("An app belongs to a tenant: name it too.", path="$.scope.tenant")

    def covers(self, tenant: str, app: str) -> bool:
        """Tell whether a target lies inside; a platform-wide scope holds every tenant."""
        return Grant("", self.tenant, self.app).covers(tenant, app)

    def admits(self, action: str, kind: str, names: Sequence[str]) -> bool:
        """Tell whether an action on a kind, and on something with one of these names, lies inside."""
        if self.actions and not allows(self.actions, action):
            return False
        if self.kinds and (kind or action.partition(".")[0]) not in self.kinds:
            return False
        return not self.names or any(_named(pattern, name) for pattern in self.names for name in names if name)

    def admits_address(self, address: str) -> bool:
        """Tell whether it may be used from there; a peer without an address is none of any network."""
        if not self.networks:
            return True
        try:
            there = ip_address(address)
        except ValueError:
            return False
        mapped = getattr(there, "ipv4_mapped", None) or there
        return any(mapped in ip_network(network) for network in self.networks)


def _named(pattern: str, name: str) -> bool:
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody or something that was recognised, with all that it was granted.

    ``name`` is unique within its kind. History holds `who`, such as ``user:root`` or ``user:ada from 192.0.2.7``. A
    token acts with its user's grants, narrowed by ``scope``. ``address`` is where it asks from, "" for a local socket;
    ``strong`` says that more than a password was shown.
    """

    kind: Literal["user", "token", "host", "app"]
    name: str
    grants: tuple[Grant, ...] = ()
    scope: Scope | None = None
    user: str = ""  # whom a token acts for
    address: str = ""
    strong: bool = False

    @property
    def id(self) -> str:
        """Return the principal without where it asks from, such as ``user:ada``."""
        return f"{self.kind}:{self.name}"

    @property
    def who(self) -> str:
        """Return the principal as history, logs and the audit write it: with the address that it asks from."""
        return f"{self.id}{FROM}{self.address}" if self.address else self.id
