"""Who stands at a door."""

from __future__ import annotations

import msgspec

from serai.identity import Grant, Principal, Target


class Visitor(msgspec.Struct, frozen=True):
    """An application, recognised by the socket at which it asks."""

    tenant: str
    app: str
    principal: Principal

    @classmethod
    def of(cls, tenant: str, app: str) -> Visitor:
        """Return the visitor behind a socket."""
        grants = (Grant("app", tenant, app),)
        return cls(tenant, app, Principal(kind="app", name=f"{tenant}/{app}", grants=grants))

    @property
    def target(self) -> Target:
        """Return the application itself."""
        return Target(tenant=self.tenant, app=self.app)
