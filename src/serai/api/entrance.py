"""Who asks: from what a connection and a request show, to a principal.

There are two doors. At the home's own socket the kernel says who the peer is. At the front, which the edge leads the
world to, only what a request shows counts: a token, or the cookie of a session. A token that does not hold makes a
request nobody's at either door; it never falls back to the peer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from litestar.connection import ASGIConnection

from serai.errors import DeniedError
from serai.identity import Principal
from serai.identity.local import local_principal
from serai.identity.recognise import Recogniser

SESSION = "__Host-serai"  # RFC 6265 (its revision, 4.1.3.2): secure, of this host alone, for all its paths
DEVICE = "__Host-serai-device"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class Shown(msgspec.Struct, frozen=True):
    """Where a request comes from: the client's address, "" at the home's own socket, and through which door."""

    address: str
    front: bool


class Entrance:
    """Recognise principals. ``owner`` is the user ID that the home belongs to; ``now`` in seconds since the epoch."""

    def __init__(self, recogniser: Recogniser, owner: int, now: Callable[[], float]) -> None:
        self._recogniser = recogniser
        self._owner = owner
        self._now = now

    def recognise(self, connection: ASGIConnection[Any, Any, Any, Any]) -> Principal | None:
        """Return who asks, or None for nobody.

        `DeniedError` where a browser was sent here by another site's page with its cookie.
        """
        shown = seen(connection)
        scheme, _, token = connection.headers.get("authorization", "").partition(" ")
        if scheme:
            return (
                self._recogniser.token(token.strip(), shown.address, self._now())
                if scheme.lower() == "bearer"
                else None
            )
        if not shown.front:
            peer = connection.scope["state"].get("peer")
            return local_principal(peer, self._owner) if peer is not None else None
        cookie = connection.cookies.get(SESSION, "")
        if not cookie:
            return None
        principal = self._recogniser.session(cookie, shown.address, self._now())
        if principal is not None and connection.scope.get("method") not in _SAFE:
            refuse_foreign(connection)
        return principal


def seen(connection: ASGIConnection[Any, Any, Any, Any]) -> Shown:
    """Return where a request comes from.

    Only at the front does anybody speak for another: the edge, which writes the field itself and drops what it got.
    """
    front = bool(connection.scope["state"].get("front"))
    address = connection.headers.get("x-forwarded-for", "").rpartition(",")[2].strip() if front else ""
    return Shown(address[:64], front)


def refuse_foreign(connection: ASGIConnection[Any, Any, Any, Any]) -> None:
    """Refuse what another site's page makes a browser send (CSRF): every browser says where a page is from.

    SameSite cookies are the first fence, this is the second: Origin (RFC 6454 section 7), or else Sec-Fetch-Site.
    """
    origin = connection.headers.get("origin")
    if origin is not None:
        same = origin == f"https://{connection.headers.get('host', '')}"
    else:
        same = connection.headers.get("sec-fetch-site") == "same-origin"
    if not same:
        raise DeniedError("Another site's page asked for that.")
