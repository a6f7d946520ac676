"""Strict reading of configuration values, with the full path of what is wrong."""

from __future__ import annotations

import re
from typing import Any, TypeVar

import msgspec

from serai.errors import InvalidError

T = TypeVar("T")

_AT = re.compile(r"(?P<text>.*?)(?: - at `\$(?P<path>.*)`)?\Z", re.DOTALL)
_UNKNOWN = re.compile(r"Object contains unknown field `(?P<field>.*)`\Z", re.DOTALL)
_BARE = re.compile(r"[A-Za-z0-9_-]+\Z")


def join(path: str, key: str) -> str:
    """Append a key to a dotted path, quoted where TOML would quote it."""
    part = key if _BARE.match(key) else f'"{key}"'
    return f"{path}.{part}" if path else part


def invalid(path: str, reason: str) -> InvalidError:
    """Make the error for the setting at ``path``; the path is both in its text and in its fields."""
    return InvalidError(f"{path}: {reason}", path=path)


def decode(value: Any, kind: type[T], path: str) -> T:
    """Convert plain data to a type; an unknown key or a wrong value is `InvalidError` with its full path."""
    if isinstance(value, dict) and issubclass(kind, msgspec.Struct):
        # A Config that forgot forbid_unknown_fields must not swallow a mistyped key.
        known = {field.encode_name for field in msgspec.structs.fields(kind)}
        for key in value:
            if key not in known:
                raise invalid(join(path, key), f"there is no such setting; there are {', '.join(sorted(known))}")
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise _located(str(error), value, kind, path) from None


def _located(message: str, value: Any, kind: type[Any], path: str) -> InvalidError:
    match = _AT.match(message)
    text, below = (match["text"], match["path"] or "") if match else (message, "")
    below = below.removeprefix(".")
    if "[...]" in below:
        below = _key(message, value, kind, below)
    full = f"{path}.{below}" if below and not below.startswith("[") else path + below
    unknown = _UNKNOWN.match(text)
    if unknown:
        return invalid(join(full, unknown["field"]), "there is no such setting")
    return invalid(full, text[0].lower() + text[1:])


def _key(message: str, value: Any, kind: type[Any], below: str) -> str:
    """Name the entry that msgspec writes as ``[...]``: the one that fails alike when it is alone."""
    field, _, rest = below.partition("[...]")
    table = value
    for part in field.split("."):
        table = table.get(part) if isinstance(table, dict) else None
    if not isinstance(table, dict) or "." in field:
        return below
    for key, entry in table.items():
        try:
            msgspec.convert({**value, field: {key: entry}}, kind)
        except msgspec.ValidationError as error:
            if str(error) == message:
                return join(field, str(key)) + rest
    return below
