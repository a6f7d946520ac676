"""Secrets that their bearer shows: API tokens, session cookies, invitations.

The store holds digests only. The secrets are 256 random bits, so a fast hash is enough.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets

import msgspec

_PREFIX = "serai"  # by it scanners of leaked secrets know a token of ours
_LONGEST = 300  # characters of a token


class Bearer(msgspec.Struct, frozen=True):
    """A token as it was shown: whose it says to be, and the secret that proves it."""

    tenant: str
    name: str
    secret: str

    def __repr__(self) -> str:
        """Leave the secret out: a representation ends in logs."""
        return f"Bearer({self.tenant}/{self.name})"


def new_secret() -> str:
    """Return 256 random bits as text."""
    return secrets.token_urlsafe(32)


def digest(secret: str) -> str:
    """Return what is kept of a secret."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def proves(secret: str, kept: str) -> bool:
    """Compare a secret with what is kept of it, in constant time."""
    return hmac.compare_digest(digest(secret), kept)


def write(tenant: str, name: str, secret: str) -> str:
    """Return a token as its owner keeps it: ``serai_TENANT_NAME_SECRET``, ``-`` for the platform."""
    return f"{_PREFIX}_{tenant or '-'}_{name}_{secret}"


def read(text: str) -> Bearer | None:
    """Take a token apart; None for what is none."""
    parts = text.split("_", 3) if len(text) <= _LONGEST and text.isascii() else []
    if len(parts) != 4 or parts[0] != _PREFIX or not all(parts):
        return None
    _, tenant, name, secret = parts
    return Bearer("" if tenant == "-" else tenant, name, secret)
