"""Bencoding (BEP 3): integers, octet strings, lists and dictionaries in a few lines and without an import.

Text is encoded as UTF-8 with surrogate escapes and comes back as octets; dictionary keys come back as text.
"""

from __future__ import annotations

TYPE_CHECKING = False  # importing typing would cost 4 ms and 1 MB
if TYPE_CHECKING:
    from typing import Any


LIMIT = 16 << 20  # octets of one message


def encode(value: Any) -> bytes:
    """Return ``value`` (int, str, bytes, list, tuple or dict with text keys) as octets; raise TypeError for others."""
    if isinstance(value, bool) or value is None:
        raise TypeError(type(value).__name__)
    if isinstance(value, int):
        return b"i%de" % value
    if isinstance(value, str):
        value = value.encode("utf-8", "surrogateescape")
    if isinstance(value, bytes):
        return b"%d:%b" % (len(value), value)
    if isinstance(value, (list, tuple)):
        return b"l%be" % b"".join(encode(item) for item in value)
    if isinstance(value, dict):
        return b"d%be" % b"".join(encode(key) + encode(value[key]) for key in sorted(value))
    raise TypeError(type(value).__name__)


def decode(data: bytes) -> Any:
    """Return what ``data`` says; raise ValueError where it is malformed or more than one value."""
    try:
        value, end = _decode(data, 0)
    except (IndexError, RecursionError) as error:
        raise ValueError("cut short") from error
    if end != len(data):
        raise ValueError("octets after the value")
    return value


def text(value: bytes) -> str:
    """Return the text that `encode` turned into ``value``."""
    return value.decode("utf-8", "surrogateescape")


def _decode(data: bytes, at: int) -> tuple[Any, int]:
    mark = data[at : at + 1]
    if mark == b"i":
        end = data.index(b"e", at)
        return _integer(data[at + 1 : end]), end + 1
    if mark == b"l":
        return _items(data, at + 1)
    if mark == b"d":
        flat, at = _items(data, at + 1)
        if len(flat) % 2 or not all(isinstance(key, bytes) for key in flat[::2]):
            raise ValueError("a dictionary needs pairs with text keys")
        return {text(key): value for key, value in zip(flat[::2], flat[1::2])}, at  # noqa: B905  Python 3.9 runs this
    colon = data.index(b":", at)
    length = _integer(data[at:colon])
    end = colon + 1 + length
    if length < 0 or end > len(data):
        raise ValueError("cut short")
    return data[colon + 1 : end], end


def _items(data: bytes, at: int) -> tuple[list[Any], int]:
    found = []
    while data[at] != 0x65:  # "e"
        item, at = _decode(data, at)
        found.append(item)
    return found, at + 1


def _integer(digits: bytes) -> int:
    if not digits.lstrip(b"-").isdigit() or len(digits) > 20:
        raise ValueError("not an integer")
    return int(digits)
