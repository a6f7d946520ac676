"""Apply text: what is wanted of a tenant becomes so, in one transaction, or nothing does.

A dry run returns the steps with the versions that they are bound to; who sends these back as ``expect`` gets what they
saw, or a conflict. What follows each write is the services' to say, see `followed`. What holds tasks back is no
descriptor: it is changed after the transaction, and what was left by an end in between, the same text does.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Annotated, Any, Literal

import msgspec
from litestar import post
from litestar.params import JSONBody
from litestar.types import ControllerRouterHandler
from msgspec import Meta

from serai.api.depend import Aim, AllKinds, Caller, Ctx, People
from serai.api.desk import Desk
from serai.api.followed import followed
from serai.api.holds import ACTIONS, Hold, Holds, check_expected
from serai.api.planning import MAX_ITEMS, Item, Planned, Planner
from serai.daemon.module import Context
from serai.errors import ConflictError, InvalidError, UnavailableError
from serai.identity.departures import falling
from serai.identity.descriptors import Tenant
from serai.identity.tenants import numbered
from serai.services.paths import PLATFORM
from serai.store import Delete, Operation, Put, Transaction
from serai.tasks import Tasks

MAX_BODY = 16 << 20  # octets
TRIES = 10  # at a moment when others change the same things


class Apply(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is wanted. ``confirm`` repeats the tenant (``-``: the platform) where ``prune`` deletes something.

    ``users`` are logins that the same text makes of the platform: a dry run takes them for there.
    ``expect`` holds the version of each step of a dry run, by ``KIND/NAME``; null takes what there is.
    """

    items: Annotated[list[Item], Meta(max_length=MAX_ITEMS)]
    prune: bool = False
    dry_run: bool = False
    confirm: str = ""
    users: Annotated[list[str], Meta(max_length=MAX_ITEMS)] = []
    expect: dict[str, int] | None = None
    why: Annotated[str, Meta(max_length=500)] = ""


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One descriptor that changes, or what holds tasks back: field to old and new value; secrets are sealed."""

    do: Literal["create", "change", "delete"]
    kind: str
    name: str
    version: int
    fields: dict[str, Any]


class Applied(msgspec.Struct, frozen=True, kw_only=True):
    """The steps, by kind and name; the number of the last change and the tasks that follow, where it was no dry run."""

    tenant: str
    steps: list[Step]
    change: int = 0
    tasks: list[str] = []


@post(
    "/v1/apply", action="apply.write", status_code=200, summary="Apply descriptors as text", operation_id="apply",
    request_max_body_size=MAX_BODY,
)  # fmt: skip
async def apply(
    ctx: Ctx, principal: Caller, target: Aim, kinds: AllKinds, desk: People, data: JSONBody[Apply]
) -> Applied:
    """Make so what is wanted of ``tenant`` (none: of the platform itself)."""
    tenant = target.tenant
    planner = Planner(ctx.store, kinds, desk, principal, tenant, users=data.users if data.dry_run else ())
    holds = Holds(Tasks(ctx.store, ctx.bus), desk, principal, tenant)
    items = [one for one in data.items if one.kind not in ACTIONS]
    held = [(one.kind, one.name, one.spec) for one in data.items if one.kind in ACTIONS]
    changes: list[Hold] = []

    async def plan() -> list[Planned]:
        planned = await planner.plan(items, prune=data.prune)
        changes[:] = await holds.plan(held, prune=data.prune)
        _check_expected(planned, data.expect)
        check_expected(changes, data.expect)
        if not data.dry_run:
            _check_confirmed([one.spec for one in planned] + [one.after for one in changes], data.confirm, tenant)
        return planned

    done = await commit(ctx, desk, principal.who, tenant, plan, data.why, dry_run=data.dry_run)
    if not data.dry_run:
        await holds.apply(changes, data.why)
    steps = [*done.steps, *map(_hold_step, changes)]
    return msgspec.structs.replace(done, steps=sorted(steps, key=lambda one: (one.kind, one.name)))


async def commit(
    ctx: Context,
    desk: Desk,
    who: str,
    tenant: str,
    plan: Callable[[], Awaitable[list[Planned]]],
    why: str,
    *,
    dry_run: bool,
) -> Applied:
    """Write what is planned, with all that follows it; plan it anew where others come between."""
    for _ in range(TRIES):
        planned = await plan()
        steps = [_step(one) for one in planned]
        operations = await _operations(ctx, desk, who, tenant, planned) if planned else []
        if dry_run or not operations:
            return Applied(tenant=tenant, steps=steps)
        reason = why or f"apply {len(planned)} descriptors"
        try:
            done = await ctx.store.apply(Transaction(who, reason, tuple(operations)))
        except ConflictError:
            continue  # an instance moved, or somebody wrote: the plan is made anew, and held against ``expect``
        return Applied(tenant=tenant, steps=steps, change=done.changes[-1], tasks=done.tasks)
    raise UnavailableError("Others keep changing the same: try again.")


async def _operations(ctx: Context, desk: Desk, who: str, tenant: str, planned: Iterable[Planned]) -> list[Operation]:
    operations: list[Operation] = []
    for one in planned:
        spec = one.spec
        if isinstance(spec, Tenant) and one.before is None:
            spec, number = await numbered(ctx.store, one.name, spec)
            operations.append(number)
        operations.append(
            Delete(one.kind.KIND, tenant, one.name, one.version) if spec is None
            else Put(tenant, one.name, spec, one.version)
        )  # fmt: skip
        operations += await falling(ctx.store, desk.directory, one.kind, one.name, spec)
    return await followed(ctx, who, tenant, operations)


def _step(one: Planned) -> Step:
    old = _fields(one, one.before.spec if one.before else None)
    new = _fields(one, one.spec)
    fields = {key: [old.get(key), new.get(key)] for key in {**old, **new} if old.get(key) != new.get(key)}
    do: Literal["create", "change", "delete"] = "delete" if one.spec is None else "change" if one.before else "create"
    return Step(do=do, kind=one.kind.KIND, name=one.name, version=one.version, fields=fields)


def _hold_step(one: Hold) -> Step:
    return Step(do=one.do, kind=one.kind, name=one.name, version=one.version, fields=one.fields)


def _fields(one: Planned, spec: Any) -> dict[str, Any]:
    if spec is None:
        return {}
    fields = one.kind.hidden(msgspec.to_builtins(spec))
    derived = one.kind.derived(fields)
    return {key: value for key, value in fields.items() if key not in derived}


def _check_expected(planned: Sequence[Planned], expect: dict[str, int] | None) -> None:
    if expect is None:
        return
    found = {one.key: one.version for one in planned}
    wanted = {key: version for key, version in expect.items() if key.partition("/")[0] not in ACTIONS}
    for key in sorted(found.keys() | wanted.keys()):
        if found.get(key) != wanted.get(key):
            raise ConflictError(f"{key} has changed since the dry run: look again.", path=key)


def _check_confirmed(becomes: Iterable[object], confirm: str, tenant: str) -> None:
    name = tenant or PLATFORM
    if confirm != name and any(one is None for one in becomes):
        raise InvalidError(f"It deletes something: repeat {name} in confirm.", path="confirm")


ROUTES: list[ControllerRouterHandler] = [apply]
