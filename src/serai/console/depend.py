"""What a handler asks for by name: ``visit``, and ``form`` where it takes a POST."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar, get_args, get_origin

import msgspec
from litestar import Request
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import SkipValidation

from serai.console import failures
from serai.console.forms import MAX_FORM, Form
from serai.console.received import Wanted
from serai.console.visit import Visit

T = TypeVar("T", bound=msgspec.Struct)
#: What handlers ask for by name: ``visit: Visitor`` and, those of a POST, ``form: Filled[SomeStruct]``.
Visitor = NamedDependency[SkipValidation[Visit]]
Filled = NamedDependency[SkipValidation[Form[T]]]


def form_of(handler: HTTPRouteHandler) -> type[msgspec.Struct] | None:
    """Return the struct of the form that a handler takes, by its parameter ``form: Filled[…]``; None for none."""
    field = handler.parsed_fn_signature.parameters.get("form")
    kind = next((one for one in _nested(field.raw) if get_origin(one) is Form), None) if field is not None else None
    found: type[msgspec.Struct] | None = get_args(kind)[0] if kind is not None else None
    return found


def _nested(annotation: Any) -> Iterator[Any]:
    yield annotation
    for one in get_args(annotation):
        yield from _nested(one)


async def visit(request: Request[Any, Any, Any]) -> Any:
    """Return the visit of a request, once it is known who asks and what was sent."""
    found = failures.visit_of(request)
    handler = request.scope["route_handler"]
    kind = None
    if isinstance(handler, HTTPRouteHandler) and request.method == "POST":
        # Most forms are always the same; of some the path says which.
        kind = handler.opt["form"](request) if "form" in handler.opt else form_of(handler)
    opt = handler.opt
    wanted = Wanted(kind, opt.get("most", MAX_FORM), opt.get("streamed", False)) if kind is not None else None
    await found.open(everybody=bool(opt.get("everybody")), form=wanted, token=opt.get("token", True))
    return found


def form(visit: Visitor) -> Any:
    """Return the form that was sent."""
    return visit.form
