"""Descriptors, uniform for every kind that a service brings.

A path is ``/v1/KIND/TENANT/NAME``, its tenant ``-`` where the descriptor belongs to the platform itself, its name one
percent-encoded segment. Versions are entity tags: ``If-Match: "3"`` writes only over version 3, ``If-None-Match: *``
only where nothing is.
"""

from __future__ import annotations

import hashlib
import urllib.parse
from typing import Annotated, Any, cast

import msgspec
from litestar import MediaType, Request, Response, Router, delete, get, patch, post, put
from litestar.di import NamedDependency, Provide
from litestar.params import FromQuery, QueryParameter, SkipValidation
from litestar.types import ControllerRouterHandler

from serai.api.asked import Asked
from serai.api.conditions import expectation, judged
from serai.api.depend import house_of
from serai.api.kinds import check_name, convert, decode, merge, parse
from serai.api.openapi_routes import UNCHANGED
from serai.api.reads import Answer
from serai.api.shapes import Descriptor, Difference, History, Page, Written, line, show
from serai.errors import InvalidError, NotFoundError
from serai.identity import Target
from serai.identity.descriptors import Tenant
from serai.services.paths import PLATFORM
from serai.store import Spec

MAX_LIMIT = 1000
MAX_WHY = 500  # characters
CONDITIONS = ("If-Match", "If-None-Match")
JUDGED = ("Wanted-Tag", "Known-Tag")  # as reads take them

AnyRequest = Request[Any, Any, Any]
Limit = Annotated[int, QueryParameter(ge=1, le=MAX_LIMIT, description="how many at most")]
Version = Annotated[int, QueryParameter(ge=1, le=1 << 62)]
Why = Annotated[str, QueryParameter(max_length=MAX_WHY, description="a sentence for the history")]

Ask = NamedDependency[SkipValidation[Asked]]


def plain_name(name: str) -> str:
    """Return a name as it was meant, from its path segment."""
    try:
        return urllib.parse.unquote(name, errors="strict")
    except UnicodeDecodeError:
        raise InvalidError("The name is not UTF-8.", path="name") from None


def check_tenant(kind: type[Spec], tenant: str, name: str) -> None:
    """Refuse a write into a tenant whose name can't be one, or a tenant's record outside of itself."""
    if tenant and not Tenant.NAME.fullmatch(tenant):
        raise InvalidError("That is not a name for a tenant.", path="tenant")
    if kind is Tenant and tenant != name:
        raise InvalidError("A tenant's descriptor lives under its own name.", path="tenant")


async def _tagged(ask: Asked) -> Response[Descriptor]:
    record = await ask.store.get(ask.kind, ask.tenant, ask.name)
    return Response(show(record), headers={"etag": f'"{record.version}"'})


async def asked(request: AnyRequest) -> Asked:
    """Return what a path names; `NotFoundError` for a kind that nobody brings.

    It takes all from the request: the framework starts a task for each thing that it injects beside another.
    """
    house = house_of(request)
    target: Target = request.scope["state"]["target"]
    return Asked(
        house.ctx,
        house.ctx.store,
        house.desk.directory,
        house.desk.keyring,
        request.scope["state"]["principal"],
        house.kinds.get(target.kind),
        target.tenant,
        plain_name(target.name),
        expectation(request),
    )


@get(
    "/v1/{kind:str}", action="{kind}.read", summary="List descriptors", operation_id="listDescriptors", heads=JUDGED,
    also=UNCHANGED, tagged=True,
)  # fmt: skip
async def find(
    request: AnyRequest,
    tenant: FromQuery[str | None] = None,
    prefix: FromQuery[str] = "",
    after: FromQuery[str] = "",
    limit: Limit = 100,
) -> Response[Page]:
    """List a kind's descriptors by tenant and name; without ``tenant`` those of all, for who may see all."""
    house = house_of(request)
    target: Target = request.scope["state"]["target"]
    where = None if tenant is None else target.tenant
    kind = house.kinds.get(target.kind)

    async def make() -> Answer:
        records = await house.ctx.store.find(kind, where, prefix=prefix, after=after, limit=limit)
        last = f"{records[-1].tenant}/{records[-1].name}" if len(records) == limit else ""
        body = msgspec.json.encode(Page([show(record) for record in records], last))
        return Answer(body, f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"')

    answer = await house.reads.first(request.scope, (target.kind, where, prefix, after, limit), make)
    return cast("Response[Page]", _told(answer, request))


@get(
    "/", action="{kind}.read", summary="Read a descriptor", operation_id="getDescriptor", heads=JUDGED,
    also=UNCHANGED, tagged=True,
)  # fmt: skip
async def read(request: AnyRequest, ask: Ask) -> Response[Descriptor]:
    """Return a descriptor; its version is the entity tag."""

    async def make() -> Answer:
        record = await ask.store.get(ask.kind, ask.tenant, ask.name)
        return Answer(msgspec.json.encode(show(record)), f'"{record.version}"')

    answer = await house_of(request).reads.first(request.scope, (ask.kind.KIND, ask.tenant, ask.name), make)
    return cast("Response[Descriptor]", _told(answer, request))


def _told(answer: Answer, request: AnyRequest) -> Response[bytes]:
    """Return what was written out already, as the conditions of a read want it."""
    told = judged(answer, request.scope["headers"])
    return Response(told.body, status_code=told.status, media_type=MediaType.JSON, headers={"etag": told.tag})


@put(
    "/", action="{kind}.write", summary="Write a descriptor", operation_id="putDescriptor", body=Spec, heads=CONDITIONS,
    tagged=True,
)  # fmt: skip
async def write(request: AnyRequest, ask: Ask, why: Why = "") -> Response[Descriptor]:
    """Create or replace a descriptor; the body is its whole spec."""
    check_name(ask.kind, ask.name)
    check_tenant(ask.kind, ask.tenant, ask.name)
    spec = decode(ask.kind, await request.body())
    await ask.write(why or "put by the API", spec, ask.expect)
    return await _tagged(ask)


@patch(
    "/", action="{kind}.write", summary="Change a descriptor", operation_id="patchDescriptor", body=Spec,
    heads=CONDITIONS, tagged=True,
)  # fmt: skip
async def change(request: AnyRequest, ask: Ask, why: Why = "") -> Response[Descriptor]:
    """Change some fields of a descriptor: the body is a JSON merge patch (RFC 7396)."""
    given = parse(await request.body())
    record = await ask.store.get(ask.kind, ask.tenant, ask.name)
    spec = convert(ask.kind, merge(msgspec.to_builtins(record.spec), given))
    await ask.write(why or "patched by the API", spec, record.version if ask.expect is None else ask.expect)
    return await _tagged(ask)


@delete(
    "/", action="{kind}.delete", status_code=200, summary="Delete a descriptor", operation_id="deleteDescriptor",
    heads=CONDITIONS[:1],
)  # fmt: skip
async def remove(ask: Ask, confirm: FromQuery[str] = "", why: Why = "") -> Written:
    """Delete a descriptor with what is its own; its history stays, and of apps and tenants their data for a week.

    ``confirm`` repeats the name, so that no slip deletes anything.
    """
    if confirm != ask.name:
        raise InvalidError("Repeat the name in confirm to delete it.", path="confirm")
    return Written(await ask.remove(why or "deleted by the API"))


@get("/history", action="{kind}.read", summary="Show a descriptor's history", operation_id="getHistory")
async def history(ask: Ask, limit: Limit = 100) -> History:
    """Return who wrote what, when and why, newest first; it outlives the descriptor."""
    lines = await ask.store.history(ask.kind, ask.tenant, ask.name, limit=limit)
    if not lines:
        raise NotFoundError("Nothing has or had that name.")
    return History([line(ask.kind, one) for one in lines])


@get("/diff", action="{kind}.read", summary="Compare two versions", operation_id="diffDescriptor")
async def diff(ask: Ask, old: Version, new: Version) -> Difference:
    """Return the fields that differ between two versions."""
    fields = await ask.store.diff(ask.kind, ask.tenant, ask.name, old, new)
    hidden = ask.kind.hidden
    return Difference(old, new, {key: [hidden({key: one})[key] for one in pair] for key, pair in fields.items()})


@post(
    "/restore", action="{kind}.write", status_code=200, summary="Restore a version", operation_id="restoreDescriptor",
    heads=CONDITIONS,
)  # fmt: skip
async def restore(ask: Ask, version: Version) -> Written:
    """Write an old version as the newest."""
    past = await ask.store.revision(ask.kind, ask.tenant, ask.name, version)
    return Written(await ask.write(f"restore version {version}", past, ask.expect))


ROUTES: list[ControllerRouterHandler] = [
    find,
    Router(
        "/v1/{kind:str}/{tenant:str}/{name:str}",
        route_handlers=[read, write, change, remove, history, diff, restore],
        dependencies={"ask": Provide(asked)},
    ),
]


def path_of(kind: str, tenant: str, name: str) -> str:
    """Return the path of a descriptor."""
    return f"/v1/{kind}/{tenant or PLATFORM}/{urllib.parse.quote(name, safe='')}"
