"""The store as all services use it: validation, typed specs, retries; an engine does the rest."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from copy import copy
from typing import Any, TypeVar

import msgspec

from serai.errors import InvalidError, NotFoundError, SeraiError
from serai.store import checks, codec
from serai.store.contract import (
    Change,
    Committed,
    Operation,
    Put,
    RawSpec,
    Record,
    Revision,
    Spec,
    Transaction,
)
from serai.store.driver import Batch, Driver, Keep, Nudge, PutRow, RevisionRow, Row
from serai.store.kinds import Kinds
from serai.store.retry import Patience, repeat
from serai.store.rules import called

S = TypeVar("S", bound=Spec)
T = TypeVar("T")

#: Called after each operation of the engine with its name, its seconds, and "ok" or the code of its error.
Observe = Callable[[str, float, str], None]


class Store:
    """Read and change descriptors. Made by `serai.store.open.open_store`.

    ``driver`` is the engine. Functions in ``on_commit`` are called after each commit with the number of its last
    change, those in ``on_apply`` with the transaction and what it became; they must be quick and must not raise.
    """

    def __init__(
        self,
        driver: Driver,
        kinds: Kinds | None = None,
        *,
        now: Callable[[], float] = time.time,
        patience: Patience | None = None,
        observe: Observe | None = None,
    ) -> None:
        self.driver = driver
        self.kinds = kinds or Kinds()
        self.on_commit: list[Callable[[int], None]] = []
        self.on_apply: list[Callable[[Transaction, Committed], None]] = []
        self._now = now
        self._patience = patience or Patience()
        self._observe = observe

    @property
    def as_of(self) -> float | None:
        """Return how old answers are (seconds since the epoch), None where they are of now; see `LastKnown`."""
        return None

    def with_patience(self, patience: Patience) -> Store:
        """Return a view of the same store that repeats what fails for a moment as often as that."""
        view = copy(self)
        view._patience = patience
        return view

    async def identity(self) -> str:
        """Return the random ID that the store got when it was created."""
        return await self.ask("identity", self.driver.identity)

    async def get(self, kind: type[S], tenant: str, name: str) -> Record[S]:
        """Return one descriptor, or raise `NotFoundError`."""
        return record(kind, await self._get(checks.key(kind, tenant, name)))

    async def get_any(self, kind: str, tenant: str, name: str) -> Record[Spec]:
        """Return one descriptor by its kind's name; of an unknown kind the spec is a `RawSpec`."""
        row = await self._get(checks.key(self.kinds.get(kind) if kind in self.kinds else kind, tenant, name))
        return record(self.kinds.get(kind), row)

    async def find(
        self,
        kind: type[S],
        tenant: str | None = None,
        *,
        prefix: str = "",
        after: str = "",
        limit: int = 1000,
    ) -> list[Record[S]]:
        """List descriptors by (tenant, name), those of one tenant or of all; ``after`` is "tenant/name"."""
        return [record(kind, row) for row in await self._scan(kind.KIND, tenant, prefix, after, limit)]

    async def find_any(
        self, kind: str, tenant: str | None = None, *, prefix: str = "", after: str = "", limit: int = 1000
    ) -> list[Record[Spec]]:
        """List descriptors by their kind's name, like `find`."""
        typed = self.kinds.get(kind)
        return [record(typed, row) for row in await self._scan(kind, tenant, prefix, after, limit)]

    async def export(self, after: tuple[str, str, str] = ("", "", ""), limit: int = 1000) -> list[Row]:
        """Return all kinds' descriptors as they are stored, by (kind, tenant, name), those greater than ``after``."""
        checks.check_number(limit, "limit", 1, checks.MAX_LIMIT)
        return await self.ask("export", lambda: self.driver.export(after, limit))

    async def commit(self, transaction: Transaction) -> list[int]:
        """Apply all operations or none; return the change number of each Put and Delete, in order.

        `ConflictError` where an expected version does not hold, `InvalidError`, `ExhaustedError` on a full disk,
        `UnavailableError` where the store is locked or gone. It has been made durable when this returns.
        """
        return (await self.apply(transaction)).changes

    async def apply(self, transaction: Transaction) -> Committed:
        """Commit, and return the versions and the IDs of tasks as well."""
        return await self._apply(transaction, checks.batch(transaction, self._now()))

    async def put(self, who: str, why: str, tenant: str, name: str, spec: Spec, *, expect: int | None = None) -> int:
        """Commit a single Put."""
        return (await self.change(who, why, (Put(tenant, name, spec, expect),)))[0]

    async def change(self, who: str, why: str, operations: Sequence[Operation]) -> list[int]:
        """Commit several operations."""
        return await self.commit(Transaction(who, why, tuple(operations)))

    async def changes(self, after: int, limit: int = 1000) -> list[Change]:
        """Return the feed's entries after a number, oldest first, without gaps.

        `NotFoundError` where some of them were pruned: who fell so far behind begins anew with `export`.
        """
        checks.check_number(after, "after")
        checks.check_number(limit, "limit", 1, checks.MAX_LIMIT)
        return await self.ask("changes", lambda: self.driver.changes(after, limit))

    async def last_change(self) -> int:
        """Return the newest change's number, 0 where there is none."""
        return await self.ask("last_change", self.driver.last_change)

    async def first_change(self) -> int:
        """Return the number from which on the feed is complete."""
        return await self.ask("first_change", self.driver.first_change)

    async def prune(self, keep: Keep, after: int = 0, limit: int = 500) -> tuple[int, int]:
        """Remove what may go among the next ``limit`` revisions; see `serai.store.driver.Driver.prune`.

        The newest change stays whatever is asked, since the next one's number and mark follow from it.
        """
        checks.check_number(after, "after")
        checks.check_number(limit, "limit", 1, checks.MAX_LIMIT)
        checks.check_number(keep.versions, "versions", 1)
        bounded = msgspec.structs.replace(keep, feed=min(keep.feed, await self.last_change()))
        return await self.call("prune", lambda: self.driver.prune(bounded, after, limit))

    async def history(self, kind: type[Spec] | str, tenant: str, name: str, *, limit: int = 100) -> list[Revision]:
        """Return a descriptor's revisions, newest first; they outlive its deletion."""
        key = checks.key(kind, tenant, name)
        checks.check_number(limit, "limit", 1, checks.MAX_LIMIT)
        rows = await self.ask("history", lambda: self.driver.history(*key, limit))
        return [
            Revision(
                row.change,
                row.version,
                row.who,
                row.when,
                row.why,
                row.spec is None,
                row.schema,
                None if row.spec is None else codec.fields(row.spec),
            )
            for row in rows
        ]

    async def diff(self, kind: type[Spec] | str, tenant: str, name: str, old: int, new: int) -> dict[str, Any]:
        """Return field to (old value, new value) between two versions; None stands for a field that is not there.

        Older schemas are upgraded first where the kind is known.
        """
        key = checks.key(kind, tenant, name)
        typed = self.kinds.get(kind) if isinstance(kind, str) else kind
        before, after = [_fields(typed, await self._revision(key, version)) for version in (old, new)]
        return {
            field: (before.get(field), after.get(field))
            for field in sorted(before.keys() | after.keys())
            if before.get(field) != after.get(field)
        }

    async def revision(self, kind: type[S], tenant: str, name: str, version: int) -> S:
        """Return a descriptor's spec as it was at a version; `InvalidError` where that version is its deletion."""
        key = checks.key(kind, tenant, name)
        row = await self._revision(key, version)
        if row.spec is None:
            raise InvalidError(f"version {version} of {'/'.join(key)} is its deletion", path="version")
        return codec.decode(kind, row.schema, row.spec)

    async def restore(
        self,
        who: str,
        kind: type[Spec],
        tenant: str,
        name: str,
        version: int,
        *,
        why: str = "",
        expect: int | None = None,
    ) -> int:
        """Write an old version's spec as the newest; return the change number.

        It is written as it was, fields that this code does not know included; a deleted descriptor lives again.
        """
        key = checks.key(kind, tenant, name)
        row = await self._revision(key, version)
        if row.spec is None:
            raise InvalidError(f"version {version} of {'/'.join(key)} is its deletion", path="version")
        spec = codec.decode(kind, row.schema, row.spec)
        transaction = Transaction(who, why or f"restore version {version}", (Put(tenant, name, spec, expect),))
        batch = checks.batch(transaction, self._now())
        as_it_was = PutRow(*key, row.schema, row.spec, None, expect)
        done = await self._apply(transaction, msgspec.structs.replace(batch, operations=(as_it_was,)))
        return done.changes[0]

    async def listen(self, heard: Callable[[Nudge], None]) -> None:
        """Tell what is committed, also by other hosts, until cancelled; see `serai.store.driver.Driver.listen`."""
        await self.driver.listen(heard)

    async def close(self) -> None:
        """Let go of the engine."""
        await self.driver.close()

    async def _get(self, key: tuple[str, str, str]) -> Row:
        row = await self.ask("get", lambda: self.driver.get(*key))
        if row is None:
            kind, tenant, name = key
            raise NotFoundError(f"there is no {kind} {called(tenant, name)}", kind=kind, tenant=tenant, name=name)
        return row

    async def _scan(self, kind: str, tenant: str | None, prefix: str, after: str, limit: int) -> list[Row]:
        checks.kind_name(kind)
        if tenant is not None:
            checks.check_tenant(tenant)
        checks.check_text(prefix, "prefix", checks.MAX_NAME)
        checks.check_number(limit, "limit", 1, checks.MAX_LIMIT)
        start = checks.position(after)
        return await self.ask("scan", lambda: self.driver.scan(kind, tenant, prefix, start, limit))

    async def _revision(self, key: tuple[str, str, str], version: int) -> RevisionRow:
        checks.check_number(version, "version", 1)
        row = await self.ask("revision", lambda: self.driver.revision(*key, version))
        if row is None:
            raise NotFoundError(f"there is no version {version} of {'/'.join(key)}", version=version)
        return row

    async def _apply(self, transaction: Transaction, batch: Batch) -> Committed:
        done = await self.call("apply", lambda: self.driver.apply(batch))
        for hook in self.on_apply:
            hook(transaction, done)
        if done.changes:
            for tell in self.on_commit:
                tell(done.changes[-1])
        return done

    async def ask(self, operation: str, call: Callable[[], Awaitable[T]]) -> T:
        """Await an operation of the driver that only reads, like `call`."""
        return await self.call(operation, call)

    async def call(self, operation: str, call: Callable[[], Awaitable[T]]) -> T:
        """Await an operation of the driver: repeat it where it may help, and measure it."""
        started, code = time.perf_counter(), "internal"
        try:
            result = await repeat(self._patience, call)
            code = "ok"
            return result
        except SeraiError as error:
            code = error.code
            raise
        finally:
            if self._observe is not None:
                self._observe(operation, time.perf_counter() - started, code)


def record(kind: type[S], row: Row) -> Record[S]:
    """Return a stored row as a typed record."""
    spec = codec.decode(kind, row.schema, row.spec)
    return Record(row.kind, row.tenant, row.name, row.version, row.change, spec, row.spec)


def _fields(kind: type[Spec], row: RevisionRow) -> dict[str, Any]:
    found = {} if row.spec is None else codec.fields(row.spec)
    return found if issubclass(kind, RawSpec) else codec.upgrade(kind, row.schema, found)
