"""The pages that descriptors have of their own, beside the one that every kind's have."""

from __future__ import annotations

from collections.abc import Mapping

from serai.api.answers import segment
from serai.services.paths import PLATFORM

#: By kind; ``{first}`` and ``{second}`` are what a name consists of, before and behind its first dot.
_PAGES: Mapping[str, str] = {
    "app": "/tenants/{tenant}/apps/{name}",
    "instance": "/tenants/{tenant}/apps/{first}",
    "member": "/tenants/{tenant}/people/{name}",
    "release": "/tenants/{tenant}/apps/{first}/releases/{second}",
    "role": "/tenants/{tenant}/roles/{name}",
    "schedule": "/tenants/{tenant}/tasks/schedules/{name}",
    "tenant": "/tenants/{name}",
    "user": "/people/{name}",
    "variables": "/tenants/{tenant}/apps/{name}/variables",
}


def home_of(kind: str, tenant: str, name: str) -> str:
    """Return the page that is about a thing, "" where none but the one of any descriptor is."""
    first, _, second = name.partition(".")
    parts = {"tenant": tenant or PLATFORM, "name": name, "first": first, "second": second}
    return _PAGES.get(kind, "").format(**{key: segment(value) for key, value in parts.items()})
