"""Structs in words: what a field takes, between which bounds, and the sentence that stands beside it in the source."""

from __future__ import annotations

import ast
import inspect
import io
import json
import textwrap
import tokenize
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import msgspec
from msgspec import inspect as look

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
    said = sentences(kind)
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


def sentences(kind: type[msgspec.Struct]) -> dict[str, str]:
    """Return what is said about fields: in their Meta, in the string below them, or in the comment behind them."""
    found = _behind(kind) | _below(kind)
    for name, hint in get_type_hints(kind, include_extras=True).items():
        for extra in get_args(hint)[1:] if get_origin(hint) is Annotated else ():
            if isinstance(extra, msgspec.Meta) and extra.description:
                found[name] = extra.description
    return found


def _body(kind: type[msgspec.Struct]) -> tuple[str, list[ast.stmt]]:
    source = textwrap.dedent(inspect.getsource(kind))
    node = ast.parse(source).body[0]
    return source, node.body if isinstance(node, ast.ClassDef) else []


def _below(kind: type[msgspec.Struct]) -> dict[str, str]:
    found: dict[str, str] = {}
    for above, below in pairwise(_body(kind)[1]):
        if (
            isinstance(above, ast.AnnAssign)
            and isinstance(above.target, ast.Name)
            and isinstance(below, ast.Expr)
            and isinstance(below.value, ast.Constant)
        ):
            found[above.target.id] = " ".join(str(below.value.value).split())
    return found


def _behind(kind: type[msgspec.Struct]) -> dict[str, str]:
    source, body = _body(kind)
    comments = {
        token.start[0]: token.string.lstrip("# ").replace("``", "`")
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    }
    fields = [each for each in body if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name)]
    found: dict[str, Any] = {}
    for field in fields:
        lines = range(field.lineno, (field.end_lineno or field.lineno) + 1)
        text = next((comments[line] for line in lines if line in comments), "")
        if text and isinstance(field.target, ast.Name):
            found[field.target.id] = text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")
    return found
