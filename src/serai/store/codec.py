"""Specs to octets and back: typed, upgraded, and with the fields that a writer does not know kept.

Descriptors outlive the code that wrote them, and two versions of the code run on one store at the same time:

- New code reads what old code wrote through its UPGRADERS, one schema number at a time.
- Old code reads what new code wrote by leaving out what it does not know. When it writes, those fields stay, and the
  schema number does too: it never goes back. So schemas that run side by side differ by additions only (expand); a
  rename is an addition, a release that writes both, and a removal (contract).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any, TypeVar

import msgspec

from serai.errors import InternalError, InvalidError
from serai.store.contract import RawSpec, Spec
from serai.store.driver import Known

S = TypeVar("S", bound=Spec)

#: Octets of one encoded spec.
MAX_SPEC = 256 * 1024

_AT = re.compile(r" - at `\$(.*)`\Z")


@cache
def _decoder(kind: type[S]) -> msgspec.msgpack.Decoder[S]:
    return msgspec.msgpack.Decoder(kind)


def encode(spec: Spec) -> bytes:
    """Return a spec as MessagePack, or raise `InvalidError` (``path`` says where).

    Constructors do not check types, so the result is decoded once: what can't be read is never stored.
    """
    try:
        data = msgspec.msgpack.encode(spec)
        _decoder(type(spec)).decode(data)
    except msgspec.ValidationError as error:
        where = _AT.search(str(error))
        raise InvalidError(f"{spec.KIND}: {error}", path=where[1].lstrip(".") if where else "") from error
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise InvalidError(f"{spec.KIND}: a value can't be stored: {error}", path="") from error
    if len(data) > MAX_SPEC:
        raise InvalidError(f"{spec.KIND}: {len(data)} octets, at most {MAX_SPEC}", path="", size=len(data))
    return data


def fields(data: bytes | memoryview) -> dict[str, Any]:
    """Return the stored fields."""
    found: dict[str, Any] = msgspec.msgpack.decode(data)
    return found


def decode(kind: type[S], schema: int, data: bytes | memoryview) -> S:
    """Return a stored spec as this code's type, or raise `InternalError` where it can't be read."""
    try:
        if schema < kind.SCHEMA and kind is not RawSpec:
            data = msgspec.msgpack.encode(upgrade(kind, schema, fields(data)))
        decoder: msgspec.msgpack.Decoder[S] = _decoder(kind)
        return decoder.decode(data)
    except msgspec.MsgspecError as error:
        raise InternalError(f"{kind.KIND}: a stored descriptor can't be read: {error}", schema=schema) from error


def upgrade(kind: type[Spec], schema: int, found: dict[str, Any]) -> dict[str, Any]:
    """Return fields of an older schema as the kind's own; what was newer stays as it is."""
    for number in range(schema, kind.SCHEMA):
        upgrader = kind.UPGRADERS.get(number)
        if upgrader is None:
            raise InternalError(f"{kind.KIND}: nothing upgrades schema {number}", schema=number)
        found = upgrader(found)
    return found


@cache
def known(kind: type[Spec]) -> Known:
    """Return the fields of a kind, as they are stored, with those of structs below them."""
    info = msgspec.inspect.type_info(kind)
    return _below(info, ()) or {}


def _below(info: msgspec.inspect.Type, above: tuple[type, ...]) -> Known | None:
    if isinstance(info, msgspec.inspect.UnionType):
        structs = [t for t in info.types if isinstance(t, msgspec.inspect.StructType)]
        return _below(structs[0], above) if len(structs) == 1 else None
    if not isinstance(info, msgspec.inspect.StructType) or info.array_like or info.cls in above:
        return None
    found = {field.encode_name: _below(field.type, (*above, info.cls)) for field in info.fields}
    if info.tag_field is not None:
        found[info.tag_field] = None
    return found


def merge(stored: bytes, new: bytes, writer: Known) -> bytes:
    """Return ``new`` with those fields of ``stored`` that its writer does not know."""
    old = fields(stored)
    return msgspec.msgpack.encode(_overlay(old, fields(new), writer)) if _has_unknown(old, writer) else new


def _has_unknown(old: Any, writer: Known) -> bool:
    return isinstance(old, dict) and any(
        key not in writer or ((below := writer[key]) is not None and _has_unknown(value, below))
        for key, value in old.items()
    )


def _overlay(old: Mapping[str, Any], new: Mapping[str, Any], writer: Known) -> dict[str, Any]:
    merged = dict(new)
    for key, value in old.items():
        below = writer.get(key)
        if key not in writer:
            merged[key] = value
        elif below is not None and isinstance(value, dict) and isinstance(merged.get(key), dict):
            merged[key] = _overlay(value, merged[key], below)
    return merged
