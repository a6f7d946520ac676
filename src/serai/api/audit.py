"""The audit: who changed what, and who was refused what."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import Router, get
from litestar.di import NamedDependency, Provide
from litestar.params import FromQuery, QueryParameter, SkipValidation
from litestar.types import ControllerRouterHandler

from serai.api.depend import Aim, Ctx
from serai.store.audit import Audit, Refused, Wanted, Written

Limit = Annotated[int, QueryParameter(ge=1, le=1000, description="how many at most")]
Before = Annotated[int | None, QueryParameter(ge=1, le=(1 << 63) - 1, description="the number after which to go on")]
Text = Annotated[str, QueryParameter(max_length=256)]
Look = NamedDependency[SkipValidation[Wanted]]


class Changes(msgspec.Struct, frozen=True):
    """Changes, newest first; ``next`` goes into ``before`` of the next page, and is 0 on the last."""

    items: list[Written]
    next: int = 0


class Refusals(msgspec.Struct, frozen=True):
    """Refused attempts, newest first."""

    items: list[Refused]
    next: int = 0


async def look(
    target: Aim,
    *,
    tenant: FromQuery[str | None] = None,
    who: Text = "",
    kind: Text = "",
    name: Text = "",
    since: FromQuery[float] = 0.0,
    until: FromQuery[float] = 1e15,
    before: Before = None,
    limit: Limit = 100,
) -> Wanted:
    """Return what a request looks for: in one tenant, or in all for who may see all."""
    where = None if tenant is None else target.tenant
    found = Wanted(tenant=where, who=who, kind=kind, name=name, since=since, until=until, limit=limit)
    return found if before is None else msgspec.structs.replace(found, before=before)


@get("/changes", action="audit.read", summary="Search who changed what", operation_id="auditChanges")
async def changes(ctx: Ctx, wanted: Look) -> Changes:
    """Return changes that fit, as far back as history is kept."""
    found = await Audit(ctx.store).changes(wanted)
    return Changes(found, found[-1].change if len(found) == wanted.limit else 0)


@get("/refusals", action="audit.read", summary="Search who was refused what", operation_id="auditRefusals")
async def refusals(ctx: Ctx, wanted: Look) -> Refusals:
    """Return refused attempts that fit."""
    found = await Audit(ctx.store).refusals(wanted)
    return Refusals(found, found[-1].number if len(found) == wanted.limit else 0)


ROUTES: list[ControllerRouterHandler] = [
    Router("/v1/audit", route_handlers=[changes, refusals], dependencies={"wanted": Provide(look)})
]
