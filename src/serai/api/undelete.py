"""Bring back a descriptor that was deleted: its last version is applied again, as if it stood in a text.

What has data on disk, or people and apps of its own, is more than its descriptor and comes back by its service's
routes. What proves who somebody is (tokens, sessions, invitations, deploy tokens) does not come back.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import post
from litestar.params import JSONBody
from litestar.types import ControllerRouterHandler
from msgspec import Meta

from serai.api.apply import Applied, commit
from serai.api.depend import Aim, AllKinds, Caller, Ctx, People
from serai.api.planning import Item, Planner
from serai.errors import AlreadyExistsError, InvalidError, NotFoundError
from serai.identity import Target, authorize
from serai.store import Spec, Store


class Undelete(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What was deleted of ``tenant`` (none: of the platform itself)."""

    kind: Annotated[str, Meta(max_length=64)]
    name: Annotated[str, Meta(max_length=400)]
    dry_run: bool = False


@post("/v1/undelete", action="apply.write", status_code=200, summary="Undelete a descriptor", operation_id="undelete")
async def undelete(
    ctx: Ctx, principal: Caller, target: Aim, kinds: AllKinds, desk: People, data: JSONBody[Undelete]
) -> Applied:
    """Bring a descriptor back as it was; it takes what writing it takes."""
    tenant, kind = target.tenant, kinds.get(data.kind)
    what = Target(tenant=tenant, kind=data.kind, name=data.name)
    authorize(principal, kinds.action(data.kind, "{kind}.read"), what, desk.audit)
    if kind.EXPORTED is None or not kind.RETURNS:
        raise InvalidError(f"A {data.kind} does not come back like that.", path="kind")
    spec = await _last(ctx.store, kind, tenant, data.name)
    fields = msgspec.to_builtins(spec)
    derived = kind.derived(fields)
    item = Item(data.kind, data.name, {key: one for key, one in fields.items() if key not in derived})
    planner = Planner(ctx.store, kinds, desk, principal, tenant)
    return await commit(
        ctx, desk, principal.who, tenant, lambda: planner.plan([item], prune=False), f"undelete {data.name}",
        dry_run=data.dry_run,
    )  # fmt: skip


async def _last(store: Store, kind: type[Spec], tenant: str, name: str) -> Spec:
    past = await store.history(kind, tenant, name, limit=2)
    if not past:
        raise NotFoundError(f"Nothing is known of a {kind.KIND} of that name.", kind=kind.KIND)
    if not past[0].deleted:
        raise AlreadyExistsError(f"There is a {kind.KIND} {name}.", kind=kind.KIND)
    if len(past) < 2:
        raise NotFoundError(f"That {kind.KIND} was deleted too long ago.", kind=kind.KIND)
    return await store.revision(kind, tenant, name, past[1].version)


ROUTES: list[ControllerRouterHandler] = [undelete]
