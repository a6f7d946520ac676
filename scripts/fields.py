"""Structs in words: what a field takes, between which bounds, and the sentence that stands beside it in the source."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

import msgspec
from msgspec import inspect as look

from serai.api.sentences import Sentences

Row = tuple[str, str, str, str]  # key, type, default, sentence
_PLAIN = {
    look.BoolType: "true or false",
    look.StrType: "text",
    look.IntType: "whole number",
    look.FloatType: "number",
    look.AnyType: "anything",
    look.NoneType: "nothing",
}


def rows(kind: type[msgspec.Struct], forms: Mapping[str, str], prefix: str = "") -> Iterator[Row]:
    """Yield a row for each field, those of Structs within it too; ``forms`` are words for patterns."""
    said = Sentences().of(kind)
    info = look.type_info(kind)
    for field in info.fields if isinstance(info, look.StructType) else ():
        key = prefix + field.encode_name
        inner = _inner(field.type)
        if inner is None:
            yield key, words(field.type, forms), default(field), said.get(field.name, "")
            continue
        name, struct = inner
        yield from rows(struct, forms, f"{key}{name}.")


def _inner(kind: look.Type) -> tuple[str, type[msgspec.Struct]] | None:
    """Return what stands between a key and those of the Struct below it, and that Struct; None for all else."""
    if isinstance(kind, look.StructType):
        return "", kind.cls
    if isinstance(kind, look.DictType) and isinstance(kind.value_type, look.StructType):
        return ".NAME", kind.value_type.cls
    if isinstance(kind, look.VarTupleType) and isinstance(kind.item_type, look.StructType):
        return "[]", kind.item_type.cls
    return None


def words(kind: look.Type, forms: Mapping[str, str]) -> str:
    """Say what a type takes, with its bounds."""
    match kind:
        case look.Metadata():
            return words(kind.type, forms)
        case look.UnionType():
            return " or ".join(words(each, forms) for each in kind.types if not isinstance(each, look.NoneType))
        case look.LiteralType():
            return " or ".join(f"`{json.dumps(value)}`" for value in kind.values)
        case look.VarTupleType() | look.ListType():
            return f"list of {words(kind.item_type, forms)}{_size(kind.min_length, kind.max_length)}"
        case look.DictType():
            key, value = words(kind.key_type, forms), words(kind.value_type, forms)
            return f"table: {key} = {value}{_size(kind.min_length, kind.max_length)}"
        case look.StrType(pattern=str() as pattern):
            return forms.get(pattern, f"text like `{pattern}`") + _size(None, kind.max_length)
        case look.StrType():
            return "text" + _size(kind.min_length, kind.max_length)
        case look.IntType() | look.FloatType():
            return _PLAIN[type(kind)] + _bounds(kind)
    return _PLAIN.get(type(kind), type(kind).__name__)


def _size(least: int | None, most: int | None) -> str:
    if least and most:
        return f", {least} to {most}"
    if most:
        return f", at most {most}"
    return f", at least {least}" if least else ""


def _bounds(kind: look.IntType | look.FloatType) -> str:
    low = f"from {kind.ge:g}" if kind.ge is not None else f"above {kind.gt:g}" if kind.gt is not None else ""
    high = f"to {kind.le:.10g}" if kind.le is not None else f"below {kind.lt:.10g}" if kind.lt is not None else ""
    return f", {' '.join(filter(None, (low, high)))}" if low or high else ""


def default(field: look.Field) -> str:
    """Return a field's default as TOML writes it, "" where there is none."""
    if field.default_factory is not msgspec.NODEFAULT:
        value = field.default_factory()
    elif field.default is msgspec.NODEFAULT or field.default is None:
        return ""
    else:
        value = field.default
    plain = msgspec.to_builtins(value)
    return f"`{json.dumps(plain, ensure_ascii=False)}`" if plain != {} else ""
