"""Who asks."""

from __future__ import annotations

from typing import Literal

import msgspec


class Grant(msgspec.Struct, frozen=True):
    """A role and where it holds.

    ``tenant`` "" means the platform and every tenant in it; ``app`` narrows a tenant's grant to one app.
    """

    role: str
    tenant: str = ""
    app: str = ""

    def covers(self, tenant: str, app: str) -> bool:
        """Tell whether the grant reaches a tenant ("" is the platform itself) and an app ("" is all of the tenant)."""
        if not self.tenant:
            return True
        return self.tenant == tenant and self.app in {"", app}


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody or something that was recognised, with all that it was granted.

    ``name`` is unique within its kind; history holds `who`, such as ``user:root`` or ``host:a1``.
    """

    kind: Literal["user", "token", "host", "app"]
    name: str
    grants: tuple[Grant, ...] = ()

    @property
    def who(self) -> str:
        """Return the principal as history and logs write it."""
        return f"{self.kind}:{self.name}"
