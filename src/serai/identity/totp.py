"""One-time passwords by time (RFC 6238), as authenticator apps show them: six digits, thirty seconds, SHA-1."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import struct
import urllib.parse

STEP = 30  # seconds
DIGITS = 6
WINDOW = 1  # steps that a phone's clock may be off, to either side
_SECRET = 20  # octets (RFC 4226 section 4 R6)


def new_secret() -> str:
    """Return a new shared secret in base32."""
    return base64.b32encode(secrets.token_bytes(_SECRET)).decode()


def uri(secret: str, login: str, issuer: str) -> str:
    """Return what an authenticator app reads from a QR code."""
    label = urllib.parse.quote(f"{issuer}:{login}")
    return f"otpauth://totp/{label}?{urllib.parse.urlencode({'secret': secret, 'issuer': issuer})}"


def code_at(secret: str, step: int) -> str:
    """Return the code of one step (RFC 4226 section 5.3)."""
    digest = hmac.digest(base64.b32decode(secret), struct.pack(">Q", step), hashlib.sha1)
    offset = digest[-1] & 0x0F
    number = int.from_bytes(digest[offset : offset + 4]) & 0x7FFFFFFF
    return f"{number % 10**DIGITS:0{DIGITS}}"


def accepted(secret: str, code: str, now: float, last: int) -> int | None:
    """Return the step whose code this is, None where it is of none.

    Steps up to ``last`` are spent: a code opens once (RFC 6238 section 5.2).
    """
    given = "".join(code.split())
    current = int(now // STEP)
    found = None
    for step in range(current - WINDOW, current + WINDOW + 1):
        same = hmac.compare_digest(code_at(secret, max(step, 0)).encode(), given.encode("utf-8", "replace"))
        if same and step > last:
            found = step
    return found
