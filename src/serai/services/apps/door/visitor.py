"""Who stands at a door."""

from __future__ import annotations

import msgspec
import structlog

from serai.identity import Grant, Principal, Refusal, Target, authorize

log = structlog.get_logger("audit")


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

    def may(self, action: str, target: Target) -> None:
        """Ask `authorize`: raise where it may not. The one place that each request at a door passes."""
        authorize(self.principal, action, target, _Audit())

    @property
    def target(self) -> Target:
        """Return the application itself."""
        return Target(tenant=self.tenant, app=self.app)


class _Audit:
    """Keep refused attempts in the structured log."""

    def refused(self, refusal: Refusal) -> None:
        """Write one line."""
        log.warning(
            "authorize.refused",
            who=refusal.who,
            action=refusal.action,
            reason=refusal.reason,
            tenant=refusal.target.tenant[:64],
            app=refusal.target.app[:64],
            kind=refusal.target.kind[:64],
            name=refusal.target.name[:256],
        )
