"""Each text of each descriptor and of app.toml, however deep: hostile text stays what it is, or is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from msgspec import inspect

from serai.api.kinds import decode
from serai.errors import InvalidError
from serai.services.apps.descriptors import KINDS
from serai.services.apps.manifest import Manifest, parse

HOSTILE = ["$(id)", "a;b|c", "a\x00b", "😀", "../..", "/etc/passwd", "x" * (1 << 20), "", "\x1b[2J", '"""', "\r\n"]


def texts(kind: inspect.Type, sample: Any) -> Iterator[Any]:
    """Yield values of a type that have the sample in one of the places where text may be."""
    match kind:
        case inspect.StrType():
            yield sample
        case inspect.StructType(fields=fields):
            for field in fields:
                for inner in texts(field.type, sample):
                    yield {field.encode_name: inner}
        case inspect.DictType(key_type=key, value_type=value):
            yield from ({one: "x"} for one in texts(key, sample))
            yield from ({"web": one} for one in texts(value, sample))
        case inspect.ListType(item_type=item) | inspect.VarTupleType(item_type=item):
            yield from ([one] for one in texts(item, sample))
        case inspect.UnionType(types=types):
            for one in types:
                yield from texts(one, sample)
        case _:
            return


def leaves(value: Any) -> Iterator[Any]:
    match value:
        case dict():
            for key, inner in value.items():
                yield key
                yield from leaves(inner)
        case list() | tuple():
            for inner in value:
                yield from leaves(inner)
        case _:
            yield value


def toml(value: Any) -> str:
    """Return a value as TOML; JSON's strings are TOML's, but for what has to be escaped there, too."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {toml(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value)


@pytest.mark.parametrize("value", HOSTILE, ids=[repr(one[:12]) for one in HOSTILE])
@pytest.mark.parametrize("kind", KINDS)
def test_each_text_of_a_descriptor_is_kept_or_refused(kind: Any, value: str) -> None:
    for document in texts(inspect.type_info(kind), value):
        try:
            spec = decode(kind, json.dumps(document).encode())
        except InvalidError:
            continue
        assert value in list(leaves(msgspec.to_builtins(spec))), document


@pytest.mark.parametrize("value", HOSTILE, ids=[repr(one[:12]) for one in HOSTILE])
def test_each_text_of_app_toml_is_kept_or_refused(value: str) -> None:
    count = 0
    for document in texts(inspect.type_info(Manifest), value):
        [(key, inner)] = document.items()
        try:
            manifest = parse(f"{key} = {toml(inner)}\n".encode())
        except InvalidError:
            continue
        finally:
            count += 1
        assert value in list(leaves(msgspec.to_builtins(manifest))), document
    assert count > 20
