"""What only a visitor's own session can have made: the token of its forms, and the messages that the next page shows.

Both are derived from the session's cookie, which scripts can't read and other sites can't guess: nothing is kept.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets

from serai.identity.people import User

FLASH = "__Host-serai-flash"  # by its prefix no other host below BASE can set it (RFC 6265's revision, 4.1.3.2)
THEME = "__Host-serai-theme"
_LENGTH = hashlib.sha256().digest_size
LONGEST = 300  # characters of a message


def form_token(session: str, login: str = "") -> str:
    """Return a token that forms of this session may carry, with who opened them; its secret is padded anew each time.

    A page is compressed and may show what its address says; a secret that stood in it as it is could be guessed, piece
    by piece, by how long the page becomes.
    """
    pad = secrets.token_bytes(_LENGTH)
    return f"{_text(pad + _below(pad, _digest(session, b'form')))}.{login}"


def opened_by(token: str) -> str:
    """Return who opened a form, as its token says, "" for nobody: what to tell people by, and no proof of anything."""
    login = token.partition(".")[2]
    return login if User.NAME.match(login) else ""


def is_form_token(token: str, session: str) -> bool:
    """Tell whether a form belongs to this session, in constant time."""
    token = token.partition(".")[0]
    try:
        shown = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except ValueError:
        return False
    return hmac.compare_digest(_below(shown[:_LENGTH], shown[_LENGTH:]), _digest(session, b"form"))


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
    return _text(_digest(session, about))


def _digest(session: str, about: bytes) -> bytes:
    return hmac.digest(b"serai console " + session.encode("utf-8", "surrogatepass"), about, hashlib.sha256)


def _below(pad: bytes, data: bytes) -> bytes:
    return bytes(one ^ other for one, other in zip(pad, data, strict=False))


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
