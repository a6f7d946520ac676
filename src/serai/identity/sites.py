"""What is known of passkeys before anything checks one: the library that does is large, and seldom needed."""

from __future__ import annotations

import base64
from typing import Any

import msgspec


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """Where passkeys are used: the host name that they belong to, and the origins of its pages."""

    name: str
    host: str
    origins: tuple[str, ...]


def claimed(answer: dict[str, Any]) -> str:
    """Return the login that a passkey says to be of (its user handle, in base64url), "" for none."""
    handle = answer.get("response", {}).get("userHandle") if isinstance(answer.get("response"), dict) else None
    if not isinstance(handle, str) or len(handle) >= 200:
        return ""
    try:
        return base64.urlsafe_b64decode(handle + "=" * (-len(handle) % 4)).decode("ascii")
    except ValueError:
        return ""
