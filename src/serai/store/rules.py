"""What the operations mean, for every engine: expected versions, merged fields, the marks of the feed."""

from __future__ import annotations

from hashlib import blake2b

import msgspec

from serai.errors import ConflictError, NotFoundError
from serai.store import codec
from serai.store.contract import Change
from serai.store.driver import Batch, DeleteRow, Keep, PutRow, Row


def called(tenant: str, name: str) -> str:
    """Return how people call a descriptor: what is nobody's by its name, and a tenant's own by that alone."""
    return name if tenant in {"", name} else f"{tenant}/{name}"


def settle(operation: PutRow | DeleteRow, current: Row | None) -> tuple[int, bytes | None]:
    """Return (schema, spec) to write, spec None for a delete, or raise where the expectation does not hold."""
    at = current.version if current else 0
    where = f"{operation.kind} {called(operation.tenant, operation.name)}"
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


def check_living(kind: str, tenant: str, name: str, *, live: bool, version: int) -> None:
    """Raise `NotFoundError` for one of ``Batch.living`` that was deleted; ``version`` is its last one, 0 for none."""
    if version and not live:
        raise NotFoundError(f"there is no {kind} {called(tenant, name)}", kind=kind, tenant=tenant, name=name)


def is_spent(kind: str, version: int, when: float, newest: tuple[int, float, bool], keep: Keep) -> bool:
    """Tell whether a revision below ``keep.feed`` may go; ``newest`` is (version, when, deleted) of its key's newest.

    A deleted descriptor keeps its newest revisions, so that it can be restored, until its deletion is old as well.
    Then all of it goes, and who takes the name again begins at version 1.
    """
    since = keep.kinds.get(kind, keep.since)
    latest, latest_when, deleted = newest
    forgotten = deleted and latest_when < since
    return when < since and (forgotten or version <= latest - max(1, keep.versions))


def check_kept(after: int, first: int) -> None:
    """Raise `NotFoundError` where the feed after a number is no longer complete."""
    if after + 1 < first:
        raise NotFoundError(f"the changes before {first} are not kept: begin anew with what there is", first=first)


def mark(previous: int, change: Change, batch: Batch) -> int:
    """Return the digest of an entry and all before it, as a signed 64-bit number.

    It tells a store that was set back to an older state and went on from there from the one that it was.
    """
    entry = (previous, msgspec.structs.astuple(change)[:-1], batch.who, batch.why, batch.when)
    return int.from_bytes(blake2b(msgspec.msgpack.encode(entry), digest_size=8).digest(), "big", signed=True)
