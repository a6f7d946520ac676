"""What the operations mean, for every engine: expected versions, merged fields, the marks of the feed."""

from __future__ import annotations

from hashlib import blake2b

import msgspec

from serai.errors import ConflictError, NotFoundError
from serai.store import codec
from serai.store.contract import Change
from serai.store.driver import Batch, DeleteRow, PutRow, Row


def settle(operation: PutRow | DeleteRow, current: Row | None) -> tuple[int, bytes | None]:
    """Return (schema, spec) to write, spec None for a delete, or raise where the expectation does not hold."""
    at = current.version if current else 0
    where = f"{operation.kind} {operation.tenant}/{operation.name}"
    if isinstance(operation, DeleteRow) and current is None:
        raise NotFoundError(f"there is no {where}", kind=operation.kind, tenant=operation.tenant, name=operation.name)
    if operation.expect is not None and operation.expect != at:
        found = f"is at version {at}" if at else "does not exist"
        wanted = f"not {operation.expect}" if operation.expect else "but should not exist"
        raise ConflictError(f"{where} {found}, {wanted}", expected=operation.expect, version=at)
    if isinstance(operation, DeleteRow):
        return (current.schema if current else 1), None
    # What was stored with an older schema is all known to the writer, by its upgraders: nothing to keep.
    if current is None or operation.known is None or current.schema < operation.schema:
        return operation.schema, operation.spec
    return current.schema, codec.merge(current.spec, operation.spec, operation.known)


def mark(previous: int, change: Change, batch: Batch) -> int:
    """Return the digest of an entry and all before it, as a signed 64-bit number.

    It tells a store that was set back to an older state and went on from there from the one that it was.
    """
    entry = (previous, msgspec.structs.astuple(change)[:-1], batch.who, batch.why, batch.when)
    return int.from_bytes(blake2b(msgspec.msgpack.encode(entry), digest_size=8).digest(), "big", signed=True)
