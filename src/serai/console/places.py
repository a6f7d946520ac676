"""What pages about an app share: where it is in the API and on the network, and how two things of it differ."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from serai.api.answers import segment
from serai.services.apps.addresses import environment_path
from serai.services.apps.descriptors import PROD

if TYPE_CHECKING:
    from serai.console.visit import Visit


def above(visit: Visit) -> str:
    """Return the API's path of the app that a page is about."""
    return f"/v1/apps/{segment(visit.tenant)}/{segment(visit.app)}"


def at_app(visit: Visit) -> str:
    """Return the console's path of the app that a page is about."""
    return f"{visit.home}/apps/{segment(visit.app)}"


def reached(visit: Visit, url: str) -> str:
    """Return a URL of the platform's with the port by which the visitor came: it is the same for all its names."""
    _, colon, port = visit.request.headers.get("host", "").rpartition(":")
    if not colon or not port.isascii() or not port.isdigit():
        return url
    scheme, _, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host}:{port}{slash}{path}"


def own_name(visit: Visit, tenant: str) -> str:
    """Return a tenant's own host name: the platform's is what the visitor came by, less its first label."""
    given = visit.request.headers.get("host", "")
    return f"{tenant}.{(given.rpartition(':')[0] or given).partition('.')[2]}"


def site(visit: Visit, tenant: str, app: str) -> str:
    """Return where an app answers its visitors."""
    return reached(visit, f"https://{own_name(visit, tenant)}{environment_path(app, PROD)}")


def differing(old: Any, new: Any, name: str = "") -> dict[str, tuple[Any, Any]]:
    """Return what differs between two values by the path to it ("processes.web.memory_mb"); None where it is not."""
    if old == new:
        return {}
    if not (isinstance(old, Mapping) and isinstance(new, Mapping)):
        return {name: (old, new)}
    found: dict[str, tuple[Any, Any]] = {}
    for key in sorted({*old, *new}):
        found |= differing(old.get(key), new.get(key), f"{name}.{key}" if name else key)
    return found
