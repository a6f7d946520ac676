"""What only a visitor's own session can have made: the token of its forms, and the messages that the next page shows.

Both are derived from the session's cookie, which scripts can't read and other sites can't guess: nothing is kept.
"""

from __future__ import annotations

import base64
import hashlib
import hmac

FLASH = "__Host-serai-flash"  # by its prefix no other host below BASE can set it (RFC 6265's revision, 4.1.3.2)
THEME = "__Host-serai-theme"
LONGEST = 300  # characters of a message


def form_token(session: str) -> str:
    """Return the token that every form of this session carries."""
    return _mac(session, b"form")


def is_form_token(token: str, session: str) -> bool:
    """Tell whether a form belongs to this session, in constant time."""
    return hmac.compare_digest(token.encode("utf-8", "surrogatepass"), form_token(session).encode())


def seal_flash(session: str, text: str) -> str:
    """Return a message as a cookie's value."""
    data = text[:LONGEST].encode("utf-8", "replace")
    return f"{_text(data)}.{_mac(session, b'flash' + data)}"


def open_flash(session: str, value: str) -> str:
    """Return the message of a cookie, "" for one that this session did not make."""
    packed, _, mac = value.partition(".")
    if not packed or len(value) > 8 * LONGEST:
        return ""
    try:
        data = base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4))
        text = data.decode()
    except (ValueError, UnicodeDecodeError):
        return ""
    return (
        text
        if hmac.compare_digest(mac.encode("utf-8", "surrogatepass"), _mac(session, b"flash" + data).encode())
        else ""
    )


def _mac(session: str, about: bytes) -> str:
    return _text(hmac.digest(b"serai console " + session.encode("utf-8", "surrogatepass"), about, hashlib.sha256))


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
