"""How paths of the API write what they name. It is light: each command pays for it."""

from __future__ import annotations

import urllib.parse

#: What stands in a tenant's place for the platform itself, which has none.
PLATFORM = "-"


def segment(text: str) -> str:
    """Return one path segment that means this text."""
    return urllib.parse.quote(text, safe="")
