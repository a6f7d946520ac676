"""What people want, as data that can be kept as text and applied elsewhere: no versions, nothing that is derived."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import msgspec
from litestar import get
from litestar.types import ControllerRouterHandler

from serai.api.changes import visible
from serai.api.depend import Aim, AllKinds, Caller, Ctx, People
from serai.api.holds import Holds
from serai.errors import SeraiError
from serai.identity.seal import Keyring
from serai.store import Record, Spec, Store
from serai.tasks import Tasks

_PAGE = 1000


class Wanted(msgspec.Struct, frozen=True):
    """One descriptor, or what holds tasks back, as text holds it: what would be so anyway is left out."""

    kind: str
    name: str
    spec: dict[str, Any]


class Export(msgspec.Struct, frozen=True):
    """What is wanted of a tenant ("" is the platform), by kind and name."""

    tenant: str
    items: list[Wanted]


@get("/v1/export", action="export.read", summary="Export a tenant", operation_id="export")
async def export(ctx: Ctx, principal: Caller, target: Aim, kinds: AllKinds, desk: People) -> Export:
    """Return what is wanted of ``tenant`` (none: of the platform itself), as far as the asker may read it."""
    items = []
    for _, kind in sorted(visible(principal, target, kinds).items()):
        found = await exported(ctx.store, kind, target.tenant)
        items += [Wanted(kind.KIND, record.name, wanted(record, desk.keyring)) for record in found]
    holds = Holds(Tasks(ctx.store), desk, principal, target.tenant)
    items += [Wanted(*one) for one in await holds.exported()]
    return Export(target.tenant, sorted(items, key=lambda one: (one.kind, one.name)))


async def exported(store: Store, kind: type[Spec], tenant: str) -> list[Record[Spec]]:
    """Return the descriptors of a kind and a tenant that people want."""
    found: list[Record[Spec]] = []
    after, pattern = "", kind.EXPORTED
    while pattern is not None and (page := await store.find(kind, tenant, after=after, limit=_PAGE)):
        found += (record for record in page if pattern.match(record.name))
        after = f"{page[-1].tenant}/{page[-1].name}"
    return found


def wanted(record: Record[Spec], keys: Keyring) -> dict[str, Any]:
    """Return the fields of a descriptor that people want; its secrets are sealed."""
    spec = record.spec
    with suppress(SeraiError):  # a key is lost: what it sealed goes out as it is
        spec = spec.at_rest(keys, record.tenant, record.name, None)
    fields = spec.hidden(msgspec.to_builtins(spec))
    standard = _standard(type(spec))
    derived = spec.derived(fields)
    return {name: value for name, value in fields.items() if name not in derived and value != standard.get(name)}


def _standard(kind: type[Spec]) -> dict[str, Any]:
    """Return what each field is where nobody says anything, None where it must be said."""
    found = {}
    for field in msgspec.structs.fields(kind):
        if field.default is not msgspec.NODEFAULT:
            found[field.name] = msgspec.to_builtins(field.default)
        elif field.default_factory is not msgspec.NODEFAULT:
            found[field.name] = msgspec.to_builtins(field.default_factory())
    return found


ROUTES: list[ControllerRouterHandler] = [export]
