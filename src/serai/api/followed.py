"""What follows a write of descriptors: each service adds what its own take besides.

A service says so by the function ``follow`` of its manifest: ``follow(ctx, who, tenant, operations)`` returns all
operations (an app's addresses, instances and tasks, say).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from serai.daemon.module import Context
from serai.daemon.service import load
from serai.store import Delete, NewTask, Operation, Put
from serai.store.contract import Holding


async def followed(ctx: Context, who: str, tenant: str, operations: Sequence[Operation]) -> list[Operation]:
    """Return operations of a tenant with what follows them, one for each descriptor."""
    result: Sequence[Operation] = operations
    for service in ctx.services.values():
        if service.follow:
            result = await load(service.follow)(ctx, who, tenant, result)
    return combined(result)


def combined(operations: Iterable[Operation]) -> list[Operation]:
    """Return operations with one for each descriptor: the later says what, the earlier on what it is based.

    What one app gives up another may take in the same transaction: a delete before a put is a put.
    """
    found: dict[object, Operation] = {}
    for one in operations:
        if isinstance(one, (NewTask, Holding)):
            found[one.id if isinstance(one, NewTask) else one] = one
            continue
        key = (one.spec.KIND if isinstance(one, Put) else one.kind, one.tenant, one.name)
        first = found.get(key)
        if not isinstance(first, (Put, Delete)):
            found[key] = one
        elif isinstance(one, Put) or isinstance(first, Put):
            found[key] = msgspec.structs.replace(one, expect=first.expect)
    return list(found.values())
