"""Links with a secret in them: pages show them once."""

from __future__ import annotations

from urllib.parse import urlsplit

from serai.console.visit import Visit


def as_seen(visit: Visit, link: str) -> str:
    """Return a link to this console as the visitor's browser knows its address, port included."""
    parts = urlsplit(link)
    return parts._replace(netloc=visit.request.headers.get("host", parts.netloc)).geturl()
