"""What the source of Structs says about their fields: in their Meta, in the string below, or in the comment behind."""

from __future__ import annotations

import ast
import inspect
import io
import sys
import tokenize
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from typing import Annotated, get_args, get_origin, get_type_hints

import msgspec


class Sentences:
    """Read sources, each module's once. Throw it away when all is asked: it holds what it read."""

    def __init__(self) -> None:
        self._modules: dict[str, Mapping[str, Mapping[str, str]]] = {}

    def of(self, kind: type[msgspec.Struct]) -> dict[str, str]:
        """Return a sentence for each field that has one; only those of Metas where the source is not at hand."""
        found: dict[str, str] = {}
        for one in reversed(kind.__mro__):
            if issubclass(one, msgspec.Struct) and one is not msgspec.Struct:
                found |= self._module(one.__module__).get(one.__qualname__, {})
        for name, hint in get_type_hints(kind, include_extras=True).items():
            for extra in get_args(hint)[1:] if get_origin(hint) is Annotated else ():
                if isinstance(extra, msgspec.Meta) and extra.description:
                    found[name] = extra.description
        return found

    def _module(self, name: str) -> Mapping[str, Mapping[str, str]]:
        if name not in self._modules:
            try:
                source = inspect.getsource(sys.modules[name])
            except (OSError, TypeError, KeyError):
                source = ""
            comments = dict(_comments(source))
            classes = _classes(ast.parse(source).body)
            self._modules[name] = {one: _behind(comments, body) | _below(body) for one, body in classes}
        return self._modules[name]


def _classes(body: Iterable[ast.stmt], prefix: str = "") -> Iterator[tuple[str, list[ast.stmt]]]:
    for node in body:
        if isinstance(node, ast.ClassDef):
            yield prefix + node.name, node.body
            yield from _classes(node.body, f"{prefix}{node.name}.")


def _comments(source: str) -> Iterator[tuple[int, str]]:
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string.lstrip("# ").replace("``", "`")


def _below(body: Iterable[ast.stmt]) -> dict[str, str]:
    found: dict[str, str] = {}
    for above, below in pairwise(body):
        if (
            isinstance(above, ast.AnnAssign)
            and isinstance(above.target, ast.Name)
            and isinstance(below, ast.Expr)
            and isinstance(below.value, ast.Constant)
        ):
            found[above.target.id] = " ".join(str(below.value.value).split())
    return found


def _behind(comments: Mapping[int, str], body: Iterable[ast.stmt]) -> dict[str, str]:
    found: dict[str, str] = {}
    for field in body:
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            lines = range(field.lineno, (field.end_lineno or field.lineno) + 1)
            text = next((comments[line] for line in lines if line in comments), "")
            if text:
                found[field.target.id] = text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")
    return found
