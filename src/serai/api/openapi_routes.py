"""Routes as operations: what each takes in its path, query, header and body, and what it answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec
from litestar import Litestar, Response
from litestar.handlers import HTTPRouteHandler
from litestar.params import KwargDefinition, ParameterKwarg
from litestar.response import Stream
from litestar.routes import HTTPRoute
from litestar.typing import FieldDefinition

from serai.api import openapi_problems
from serai.api.guard import action_of
from serai.api.openapi_schemas import Schemas, prose

#: What `serai.api.descriptors` reads from heads, by the name that a route gives in ``heads``.
HEADS: Mapping[str, dict[str, Any]] = {
    "If-Match": {
        "description": "Write over this version only; * and none at all write over any.",
        "schema": {"type": "string", "pattern": r'^(\*|(W/)?"\d{1,18}")$', "examples": ['"3"']},
    },
    "If-None-Match": {
        "description": "* writes only where nothing is.",
        "schema": {"type": "string", "const": "*"},
    },
    "Known-Tag": {
        "name": "If-None-Match",
        "description": "What has this entity tag is not sent again.",
        "schema": {"type": "string"},
    },
    "Wanted-Tag": {
        "name": "If-Match",
        "description": "What has none of these entity tags is a conflict.",
        "schema": {"type": "string"},
    },
    "Last-Event-ID": {
        "description": "What a reconnecting reader saw last; `after` comes before it.",
        "schema": {"type": "string", "pattern": r"^\d{1,18}$"},
    },
}
UNCHANGED: Mapping[int, str] = {304: "It is what the client has."}
ETAG = {
    "ETag": {
        "description": "The version, or a digest of what has none.",
        "schema": {"type": "string"},
        "required": True,
    }
}

_TENANT = "A tenant's name; - is the platform itself."
_WORDS: Mapping[str, Mapping[str, str]] = {
    "path": {"tenant": _TENANT, "app": "An app's name.", "name": "A name, percent-encoded as one segment."},
    "query": {
        "tenant": _TENANT,
        "app": "An app's name.",
        "why": "A sentence for the history.",
        "limit": "How many at most.",
        "after": "The `next` of the page before.",
    },
}


class Route:
    """One method of a path, before it is written as an operation."""

    def __init__(self, path: str, method: str, handler: HTTPRouteHandler) -> None:
        self.path = path
        self.method = method.lower()
        self.handler = handler
        self.action = action_of(handler)
        self.fields = dict(_fields(handler))
        self.body: Any = handler.opt.get("body") or (
            handler.parsed_data_field.annotation if handler.parsed_data_field else None
        )
        returns = handler.parsed_fn_signature.return_type.annotation
        self.returns: Any = get_args(returns)[0] if get_origin(returns) is Response else returns

    def types(self) -> Iterator[Any]:
        """Yield the types whose schemas the operation needs."""
        yield from (_annotated(field) for field in self.fields.values())
        for kind in (*_each(self.body), self.returns):
            if _has_schema(kind):
                yield kind

    def operation(self, schemas: Schemas) -> dict[str, Any]:
        """Return the operation."""
        handler = self.handler
        made: dict[str, Any] = {
            "operationId": handler.operation_id,
            "summary": handler.summary,
            "description": f"{prose(handler.fn.__doc__ or '')}\n\nAction: `{self.action}`.",
            "tags": [self.path.split("/")[2].strip("{}")],
            "parameters": list(self._parameters(schemas)),
            "responses": {str(handler.status_code): self._answer(schemas)}
            | {str(status): {"description": text} for status, text in handler.opt.get("also", {}).items()}
            | openapi_problems.of(handler, self.action, self.path, body=self.body is not None),
            "security": openapi_problems.security(self.action),
        }
        if self.body is not None:
            # Octets may be none at all.
            made["requestBody"] = {"required": self.body is not bytes, "content": self._content(schemas)}
        return made

    def _content(self, schemas: Schemas) -> dict[str, Any]:
        if self.body is bytes:
            return {"application/octet-stream": {"schema": {}}}
        made = [schemas.of(kind) for kind in _each(self.body)]
        return {"application/json": {"schema": made[0] if len(made) == 1 else {"anyOf": made}}}

    def _answer(self, schemas: Schemas) -> dict[str, Any]:
        handler = self.handler
        answer: dict[str, Any] = {"description": handler.summary}
        if handler.opt.get("tagged"):
            answer["headers"] = ETAG
        if handler.status_code == 204:
            return answer
        media = str(getattr(handler.media_type, "value", handler.media_type) or "application/json")
        if self.returns in {Stream, str}:
            return answer | {"content": {media: {}}}  # no one JSON value
        schema = schemas.of(self.returns) if _has_schema(self.returns) else {}
        return answer | {"content": {media: {"schema": schema}}}

    def _parameters(self, schemas: Schemas) -> Iterator[dict[str, Any]]:
        for name, field in self.fields.items():
            place = "path" if f"{{{name}}}" in self.path else "query"
            schema = schemas.of(_annotated(field))
            text = schema.pop("description", None) or _WORDS[place].get(name)
            if field.has_default and field.default is not None:
                schema["default"] = field.default
            made: dict[str, Any] = {"name": _shown(name, field), "in": place, "schema": schema}
            if place == "path" or not (field.has_default or field.is_optional):
                made["required"] = True
            yield made | ({"description": text} if text else {})
        for name in self.handler.opt.get("heads", ()):
            yield {"name": name, "in": "header"} | HEADS[name]


def routes(app: Litestar) -> Iterator[Route]:
    """Yield all routes that are described."""
    for route in app.routes:
        for handler in getattr(route, "route_handlers", ()) if isinstance(route, HTTPRoute) else ():
            for method in sorted(handler.http_methods - {"OPTIONS"}):
                yield Route(route.path_format, str(method), handler)


def _fields(handler: HTTPRouteHandler) -> Iterator[tuple[str, FieldDefinition]]:
    """Yield the parameters of path and query, those that what is injected asks for included."""
    in_path = {name for path in handler.paths for name in _in_path(path)}
    for layer in handler.ownership_layers:
        in_path |= set(_in_path(getattr(layer, "path", "")))
    providers = handler.resolve_dependencies()
    seen: set[str] = set()
    waiting = [handler.parsed_fn_signature.parameters]
    while waiting:
        for name, field in waiting.pop(0).items():
            if name in seen:
                continue
            seen.add(name)
            if name in providers:
                waiting.append(providers[name].parsed_fn_signature.parameters)
            elif isinstance(field.kwarg_definition, ParameterKwarg) and not field.is_di_field:
                yield name, field
    for name in sorted(in_path - seen):  # read by the guard only
        yield name, FieldDefinition.from_annotation(str)


def _in_path(path: str) -> Iterator[str]:
    return (part[1:].partition(":")[0] for part in path.split("/") if part.startswith("{"))


def _shown(name: str, field: FieldDefinition) -> str:
    return getattr(field.kwarg_definition, "name", None) or name


def _annotated(field: FieldDefinition) -> Any:
    """Return a parameter's type with its bounds as msgspec writes them; null is a field's absence, and not among it."""
    kind = field.annotation
    if field.is_optional:
        kind = Union[tuple(one for one in get_args(kind) if one is not type(None))]  # noqa: UP007 - of a tuple
    said = field.kwarg_definition
    if not isinstance(said, KwargDefinition):
        return kind
    names = ("gt", "ge", "lt", "le", "min_length", "max_length", "pattern", "description")
    bounds = {name: getattr(said, name) for name in names if getattr(said, name) is not None}
    return Annotated[kind, msgspec.Meta(**bounds)] if bounds else kind


def _each(kind: Any) -> tuple[Any, ...]:
    return kind if isinstance(kind, tuple) else (kind,)


def _has_schema(kind: Any) -> bool:
    return kind not in {None, type(None), bytes, Stream, str, Any}
