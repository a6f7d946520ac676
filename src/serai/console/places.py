"""Where things of an app are: in the API, and on the network as whoever looks at a page reaches them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from serai.api.answers import segment

if TYPE_CHECKING:
    from serai.console.visit import Visit


def above(visit: Visit) -> str:
    """Return the API's path of the app that a page is about."""
    return f"/v1/apps/{segment(visit.tenant)}/{segment(visit.app)}"


def reached(visit: Visit, url: str) -> str:
    """Return a URL of the platform's with the port by which the visitor came: it is the same for all its names."""
    _, colon, port = visit.request.headers.get("host", "").rpartition(":")
    if not colon or not port.isascii() or not port.isdigit():
        return url
    scheme, _, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host}:{port}{slash}{path}"
