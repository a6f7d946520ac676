"""OpenAPI 3.1 under ``/v1/openapi.json``, generated from the routes and the Structs that they take and give.

Routes of descriptors are written out for each kind, with its own spec and its own form of names. It is made once, when
somebody asks for the first time, and kept as octets.
"""

from __future__ import annotations

import asyncio
import copy
import hashlib
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from litestar import Litestar, Request, Response, Router, get

import serai
from serai.api import openapi_problems
from serai.api.conditions import unless_known
from serai.api.kinds import Kinds
from serai.api.openapi_routes import UNCHANGED, Route, routes
from serai.api.openapi_schemas import Schema, Schemas, example, name_schema, prose
from serai.api.problems import Problem
from serai.api.reads import Answer
from serai.store import Spec

MEDIA_TYPE = "application/vnd.oai.openapi+json"
TENANT: Schema = {"type": "string", "pattern": "^(-|[a-z]([a-z0-9-]{0,30}[a-z0-9])?)$"}
_DESCRIPTION = """Descriptors, actions, tasks and the watch stream of a Serai platform.

All that changes is a descriptor, with a kind, a tenant, a name and a spec; its version is its entity tag. What takes
time answers with the IDs of tasks. Every error is a problem detail (RFC 9457); act on its `code`."""


def document(app: Litestar, kinds: Kinds) -> dict[str, Any]:
    """Return the description of an application."""
    found = list(routes(app))
    brought = sorted(kinds, key=lambda kind: kind.KIND)
    schemas = Schemas([Problem, *(kind for route in found for kind in route.types()), *brought])
    paths: dict[str, dict[str, Any]] = {}
    for route in found:
        operation = route.operation(schemas)
        for path, made in (
            _expanded(route, operation, brought, schemas) if "{kind}" in route.path else [(route.path, operation)]
        ):
            paths.setdefault(path, {})[route.method] = made
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Serai",
            "version": serai.__version__,
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/", "description": "api.BASE and console.BASE, and the Unix socket run/api.sock."}],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": dict(sorted(schemas.components.items())),
            "responses": openapi_problems.responses(),
            "securitySchemes": openapi_problems.SECURITY,
        },
        "tags": [{"name": kind.KIND, "description": _first(kind)} for kind in brought],
    }


def router(kinds: Kinds) -> Router:
    """Return the route."""
    made: list[tuple[bytes, str]] = []
    turn = asyncio.Lock()

    @get(
        "/v1/openapi.json", action="schema.read", summary="Describe the API", operation_id="openapi",
        media_type=MEDIA_TYPE, tagged=True, heads=("Known-Tag",), also=UNCHANGED,
    )  # fmt: skip
    async def description(request: Request[Any, Any, Any]) -> Response[bytes]:
        """Return this description."""
        async with turn:
            if not made:
                made.append(await asyncio.to_thread(_encoded, request.app, kinds))
        body, tag = made[0]
        headers = {"etag": tag, "cache-control": "private, no-cache"}
        answer = unless_known(Answer(body, tag), request.scope["headers"])
        return Response(answer.body, status_code=answer.status, media_type=MEDIA_TYPE, headers=headers)

    return Router("/", route_handlers=[description])


def _encoded(app: Litestar, kinds: Kinds) -> tuple[bytes, str]:
    body = msgspec.json.encode(document(app, kinds))
    return body, f'"{hashlib.sha256(body).hexdigest()[:32]}"'


def _expanded(
    route: Route, operation: dict[str, Any], kinds: Iterable[type[Spec]], schemas: Schemas
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield a route of descriptors as each kind has it: (path, operation)."""
    for kind in kinds:
        made = copy.deepcopy(operation)
        title = "".join(word.capitalize() for word in kind.KIND.split("-"))
        made["operationId"] = _identified(made["operationId"], title)
        made["tags"] = [kind.KIND]
        made["description"] = made["description"].replace(f"`{route.action}`", f"`{_action(kind, route.action)}`")
        made["parameters"] = [one for one in made["parameters"] if one["name"] != "kind"]
        for one in made["parameters"]:
            if one["in"] == "path":
                one["schema"] = {"name": name_schema(kind), "tenant": TENANT}.get(one["name"], one["schema"])
        shown = _shown(kind, title, schemas)
        for content in made["responses"]["200"].get("content", {}).values():
            ref = content["schema"].get("$ref", "").rpartition("/")[2]
            content["schema"] = shown.get(ref, content["schema"])
        if "requestBody" in made:
            made["requestBody"] = _body(kind, title, schemas, patch=route.method == "patch")
        yield route.path.replace("{kind}", kind.KIND), made


def _identified(name: str, title: str) -> str:
    """Return an operation's ID with its kind in it: ``putDescriptor`` is ``putAppDescriptor``."""
    for word in ("Descriptor", "History"):
        if word in name:
            return name.replace(word, title + word, 1)
    return name + title


def _action(kind: type[Spec], action: str) -> str:
    return kind.ACTION or action.replace("{kind}", kind.KIND)


def _shown(kind: type[Spec], title: str, schemas: Schemas) -> dict[str, Schema]:
    """Return what answers show of this kind, by the general schema in whose place it stands."""
    spec = schemas.of(kind)
    one = schemas.found({"$ref": "#/components/schemas/Descriptor"})
    own = one | {
        "title": f"{title}Descriptor",
        "properties": one["properties"] | {"kind": {"const": kind.KIND}, "spec": spec},
    }
    descriptor = schemas.add(f"{title}Descriptor", own)
    page = schemas.found({"$ref": "#/components/schemas/Page"})
    items = page["properties"] | {"items": {"type": "array", "items": descriptor}}
    listed = schemas.add(f"{title}Page", page | {"title": f"{title}Page", "properties": items})
    return {"Descriptor": descriptor, "Page": listed}


def _body(kind: type[Spec], title: str, schemas: Schemas, *, patch: bool) -> dict[str, Any]:
    whole = schemas.strict(schemas.of(kind))
    if patch:
        schema = schemas.add(f"{title}Patch", schemas.patch(whole))
        media = ("application/merge-patch+json", "application/json")
        return {"required": True, "content": {name: {"schema": schema} for name in media}}
    schema = schemas.add(f"{title}Spec", whole)
    return {"required": True, "content": {"application/json": {"schema": schema, "example": example(schemas, whole)}}}


def _first(kind: type[Spec]) -> str:
    return prose(kind.__doc__ or "").partition("\n\n")[0]
