"""Queries, read strictly: each name stands there once, and «null» is no number; the framework itself takes both."""

from __future__ import annotations

from collections import Counter
from itertools import chain
from typing import Any, get_args

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from serai.errors import InvalidError

NULL = "null"


def check(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Refuse a query that could be understood in more than one way; `InvalidError` with the ``path`` of the name."""
    if not connection.scope.get("query_string"):
        return
    pairs = list(connection.query_params.multi_items())
    for name, count in Counter(name for name, _ in pairs).items():
        if count > 1:
            raise InvalidError(f"{name[:64]} stands in the query {count} times.", path=name[:64])
    if any(value == NULL for _, value in pairs):
        _refuse_null(dict(pairs), handler)


def _refuse_null(query: dict[str, Any], handler: BaseRouteHandler) -> None:
    injected = (one.parsed_fn_signature for one in handler.resolve_dependencies().values())
    asking = chain((handler.parsed_fn_signature,), injected)
    for name, field in chain.from_iterable(one.parameters.items() for one in asking):
        shown = getattr(field.kwarg_definition, "name", None) or name
        if query.get(shown) == NULL and field.is_optional and str not in get_args(field.annotation):
            raise InvalidError(f"{NULL} is no value of {shown}.", path=shown)
