"""Keeps secrets out of the log: by the name under which they come."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

HIDDEN = "[redacted]"
MAX_DEPTH = 6
_SECRET = re.compile(
    r"pass(?:word|wd|phrase)|token|secret|authorization|cookie|credential|private_?key|api_?key|dsn", re.IGNORECASE
)
# What a library may put into a message: "Authorization: Bearer …", "password=…", user:password@ in a URL.
_IN_TEXT = re.compile(
    r"(?P<keep>(?:authorization\W{1,3}(?:(?:basic|bearer)\s+)?|(?:password|token|secret|api_?key)\W?[=:]\s?))[^\s,;&\"']+"
    r"|(?P<url>://[^/\s:@]*:)[^/\s@]+(?=@)",
    re.IGNORECASE,
)


def redact(value: Any, depth: int = 0) -> Any:
    """Return a copy of a log value without secrets, in tables, lists and texts."""
    if isinstance(value, str):
        return _IN_TEXT.sub(lambda match: (match["keep"] or match["url"]) + HIDDEN, value)
    if depth >= MAX_DEPTH:
        return HIDDEN if isinstance(value, Mapping | list | tuple) else value
    if isinstance(value, Mapping):
        return {
            key: HIDDEN if each and _SECRET.search(str(key)) else redact(each, depth + 1) for key, each in value.items()
        }
    if isinstance(value, list | tuple):
        return [redact(each, depth + 1) for each in value]
    return value
