"""Who asks: from what a connection and a request show, to a principal.

There are two doors. At the home's own socket the kernel says who the peer is. At the front, which the edge leads the
world to, only what a request shows counts: a token, or the cookie of a session. A token that does not hold makes a
request nobody's at either door; it never falls back to the peer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from serai.bus.peer import Peer
from serai.errors import DeniedError
from serai.identity import Principal
from serai.identity.local import local_principal
from serai.identity.recognise import Recogniser

SESSION = "__Host-serai"  # RFC 6265 (its revision, 4.1.3.2): secure, of this host alone, for all its paths
DEVICE = "__Host-serai-device"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class Shown(msgspec.Struct, frozen=True):
    """What a request shows of who sends it.

    ``front`` says which door it came through, ``peer`` what the kernel knows of the connection's other end, ``address``
    which client it is from, "" at the home's own socket. ``fields`` are the header fields: names in lower case, the
    first where there are several of one name.
    """

    method: str
    front: bool
    peer: Peer | None
    address: str
    fields: Mapping[bytes, bytes]

    def field(self, name: bytes) -> str:
        """Return a header field's value, "" where there is none."""
        return self.fields.get(name, b"").decode("latin-1")


def seen(scope: Mapping[str, Any]) -> Shown:
    """Return what the request of an ASGI scope shows.

    Only at the front does anybody speak for another: the edge, which writes the field itself and drops what it got.
    """
    fields = dict(reversed(scope["headers"]))
    state = scope["state"]
    front = bool(state.get("front"))
    address = fields.get(b"x-forwarded-for", b"").decode("latin-1").rpartition(",")[2].strip() if front else ""
    return Shown(scope["method"], front, state.get("peer"), address[:64], fields)


class Entrance:
    """Recognise principals. ``owner`` is the user ID that the home belongs to; ``now`` in seconds since the epoch."""

    def __init__(self, recogniser: Recogniser, owner: int, now: Callable[[], float]) -> None:
        self._recogniser = recogniser
        self._owner = owner
        self._now = now

    def recognise(self, shown: Shown) -> Principal | None:
        """Return who asks, or None for nobody.

        `DeniedError` where a browser was sent here by another site's page with its cookie.
        """
        scheme, _, token = shown.field(b"authorization").partition(" ")
        if scheme:
            return (
                self._recogniser.token(token.strip(), shown.address, self._now())
                if scheme.lower() == "bearer"
                else None
            )
        if not shown.front:
            return local_principal(shown.peer, self._owner) if shown.peer is not None else None
        cookie = cookie_of(shown, SESSION)
        if not cookie:
            return None
        principal = self._recogniser.session(cookie, shown.address, self._now())
        if principal is not None and shown.method not in _SAFE:
            refuse_foreign(shown)
        return principal


def cookie_of(shown: Shown, name: str) -> str:
    """Return a cookie's value, "" where there is none. Ours need no quotes and are looked for as they stand."""
    for pair in shown.field(b"cookie").split(";"):
        key, _, value = pair.strip().partition("=")
        if key == name:
            return value
    return ""


def refuse_foreign(shown: Shown) -> None:
    """Refuse what another site's page makes a browser send (CSRF): every browser says where a page is from.

    SameSite cookies are the first fence, this is the second: Origin (RFC 6454 section 7), or else Sec-Fetch-Site.
    """
    if b"origin" in shown.fields:
        same = shown.field(b"origin") == f"https://{shown.field(b'host')}"
    else:
        same = shown.field(b"sec-fetch-site") == "same-origin"
    if not same:
        raise DeniedError("Another site's page asked for that.")
