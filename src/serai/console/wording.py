"""Words for what programs write in their own way: who did something, which browser it was, a descriptor's values."""

from __future__ import annotations

import re
from typing import Any

import msgspec
from markupsafe import Markup, escape

#: What a browser says of itself, and how people call it; the first that is found counts, since most claim to be others.
_BROWSERS = (
    ("Edg", "Edge"), ("OPR", "Opera"), ("SamsungBrowser", "Samsung Internet"), ("Firefox", "Firefox"),
    ("FxiOS", "Firefox"), ("CriOS", "Chrome"), ("Chrome", "Chrome"), ("Safari", "Safari"), ("curl", "curl"),
    ("serai", "serai"),
)  # fmt: skip
_SYSTEMS = (
    ("Android", "Android"), ("iPhone", "iPhone"), ("iPad", "iPad"), ("Windows", "Windows"), ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"), ("Linux", "Linux"),
)  # fmt: skip
_CODE = re.compile(r"``(.+?)``|`(.+?)`")
#: Seconds since the epoch are floats between these: from 2001 until 5138. Nothing else in a descriptor is one.
_TIMES = (1e9, 1e11)


def who(principal: str) -> str:
    """Return who did something as people read it: users by their login, all else with its kind.

    What tells one life of a bot from another, behind its ``#``, is for programs.
    """
    kind, colon, name = principal.partition("#")[0].partition(":")
    return principal if not colon else name if kind == "user" else f"{kind} {name}"


def browser(agent: str) -> str:
    """Return a browser and its system by what it says of itself (RFC 9110 section 10.1.5)."""
    name = next((name for mark, name in _BROWSERS if mark in agent), "")
    system = next((name for mark, name in _SYSTEMS if mark in agent), "")
    if not name:
        return agent[:60] or "unknown"
    return f"{name} on {system}" if system else name


def prose(text: str) -> Markup:
    """Return a line of documentation with its code marked."""
    parts, end = [], 0
    for found in _CODE.finditer(text):
        parts += [escape(text[end : found.start()]), Markup("<code>{}</code>").format(found[1] or found[2])]
        end = found.end()
    return Markup("").join([*parts, escape(text[end:])])


def is_time(value: Any) -> bool:
    """Tell whether a value of a descriptor is a time."""
    return isinstance(value, float) and _TIMES[0] < value < _TIMES[1]


def pretty(value: Any) -> str:
    """Return a value as JSON that people read: short ones on a line, others with one thing a line."""
    short = msgspec.json.format(msgspec.json.encode(value), indent=0).decode()
    return short if len(short) <= 100 else msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
