"""Making tenants, and what they use; all else about them is their descriptor's."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import get, post
from litestar.params import JSONBody
from litestar.types import ControllerRouterHandler
from msgspec import Meta

from serai.api.depend import Aim, Caller, Ctx
from serai.identity.descriptors import Tenant
from serai.identity.tenants import create_tenant
from serai.tasks import Tasks

Amount = Annotated[int, Meta(ge=1, le=1 << 40)]


class NewTenant(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A tenant to be: its name and its quotas."""

    name: Annotated[str, Meta(max_length=64)]
    title: Annotated[str, Meta(max_length=200)] = ""
    memory_mb: Amount = 16384
    disk_mb: Amount = 32768
    processes: Amount = 4096
    tasks: Amount = 1_000_000


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """How many tasks of a tenant's applications wait, counted up to the quota, and how many may."""

    tasks_waiting: int
    tasks: int


@post("/v1/tenants", action="tenant.write", status_code=201, summary="Create a tenant", operation_id="createTenant")
async def create(ctx: Ctx, principal: Caller, data: JSONBody[NewTenant]) -> Tenant:
    """Make a tenant with the next free number."""
    fields = msgspec.structs.asdict(data)
    name = fields.pop("name")
    return await create_tenant(ctx.store, principal.who, name, Tenant(uid=0, **fields))


@get(
    "/v1/tenants/{tenant:str}/usage", action="usage.read", summary="Show how much of a quota is used",
    operation_id="showUsage",
)  # fmt: skip
async def usage(ctx: Ctx, target: Aim) -> Usage:
    """Return how much of its quotas a tenant uses, as far as that is counted whenever somebody asks."""
    most = (await ctx.store.get(Tenant, target.tenant, target.tenant)).spec.tasks
    return Usage(tasks_waiting=await Tasks(ctx.store).waiting(target.tenant, "", most), tasks=most)


ROUTES: list[ControllerRouterHandler] = [create, usage]
