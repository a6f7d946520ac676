"""The memory engine's driver: plain dictionaries, changed by one event loop's thread at a time."""

from __future__ import annotations

import copy
import itertools
import uuid
from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec

from serai.errors import UnavailableError
from serai.store import rules
from serai.store.audit import Refused, Wanted, Written
from serai.store.contract import Change, Committed, Holding, NewTask
from serai.store.driver import Batch, DeleteRow, Keep, Nudge, PutRow, RevisionRow, Row
from serai.store.memory import audit, tasks
from serai.store.tasks import TaskRows

T = TypeVar("T")
Key = tuple[str, str, str]


class MemoryDriver:
    """A store in dictionaries. No operation waits, so each one is alone while it runs."""

    def __init__(self) -> None:
        self._identity = uuid.uuid4().hex
        self._rows: dict[Key, Row] = {}
        self._history: dict[Key, list[RevisionRow]] = {}
        self._feed: list[Change] = []  # without gaps up to the newest; never empty after the first change
        self._refusals: list[Refused] = []
        self._refused = 0  # attempts so far, those included that were removed
        self._state: dict[str, object] = {}
        self._closed = False

    @property
    def tasks(self) -> TaskRows[dict[str, object]]:
        """Return what the engine does with tasks."""
        return tasks.ROWS

    async def write(self, work: Callable[[dict[str, object]], T]) -> T:
        """Run work over the state of tasks; it checks before it changes, since nothing undoes it where it raises."""
        self._check_open()
        return work(self._state)

    async def read(self, work: Callable[[dict[str, object]], T]) -> T:
        """Run work that only reads the state of tasks."""
        self._check_open()
        return work(self._state)

    async def identity(self) -> str:
        """Return the random ID that the store got when it was created."""
        self._check_open()
        return self._identity

    async def get(self, kind: str, tenant: str, name: str) -> Row | None:
        """Return a live descriptor."""
        self._check_open()
        return self._rows.get((kind, tenant, name))

    async def scan(self, kind: str, tenant: str | None, prefix: str, after: tuple[str, str], limit: int) -> list[Row]:
        """Return live descriptors of a kind, by (tenant, name), those greater than ``after``."""
        self._check_open()
        keys = sorted(
            key
            for key in self._rows
            if key[0] == kind and tenant in {None, key[1]} and key[2].startswith(prefix) and key[1:] > after
        )
        return [self._rows[key] for key in keys[:limit]]

    async def export(self, after: tuple[str, str, str], limit: int) -> list[Row]:
        """Return live descriptors of all kinds, by (kind, tenant, name), those greater than ``after``."""
        self._check_open()
        return [self._rows[key] for key in sorted(key for key in self._rows if key > after)[:limit]]

    async def apply(self, batch: Batch) -> Committed:
        """Apply all of it or nothing."""
        self._check_open()
        staged = _Staged(self._rows, self._history, self._feed, batch)
        others = []  # than descriptors
        for operation in batch.operations:
            if isinstance(operation, (NewTask, Holding)):
                others.append(operation)
            else:
                staged.write(operation)
        staged.check_living()
        # Records raise while they are staged, before any task is inserted; what a task's insert may leave behind
        # is undone by going back to a copy, which only a transaction with several of them needs.
        before = copy.deepcopy(self._state) if len(others) > 1 else None
        try:
            inserted = tasks.ROWS.apply(self._state, batch)
        except BaseException:
            if before is not None:
                self._state.clear()
                self._state.update(before)
            raise
        return staged.finish(inserted)

    async def changes(self, after: int, limit: int) -> list[Change]:
        """Return entries of the feed by number, those greater than ``after``."""
        self._check_open()
        first = self._first()
        rules.check_kept(after, first)
        return self._feed[after + 1 - first :][:limit]

    async def first_change(self) -> int:
        """Return the number from which on the feed is complete."""
        self._check_open()
        return self._first()

    async def prune(self, keep: Keep, after: int, limit: int) -> tuple[int, int]:
        """Remove spent revisions among the next ``limit``."""
        self._check_open()
        below = [(row.change, key, row) for key, rows in self._history.items() for row in rows]
        looked_at = sorted(each for each in below if after < each[0] < keep.feed)[:limit]
        spent = []
        for change, key, row in looked_at:
            newest = self._history[key][-1]
            latest = (newest.version, newest.when, newest.spec is None)
            if rules.is_spent(key[0], row.version, row.when, latest, keep):
                spent.append((change, key, row))
        for _, key, row in spent:
            self._history[key].remove(row)
            if not self._history[key]:
                del self._history[key]
        if spent:
            self._feed = [change for change in self._feed if change.number > spent[-1][0]]
        return looked_at[-1][0] if looked_at else 0, len(spent)

    async def last_change(self) -> int:
        """Return the greatest change number, or 0."""
        self._check_open()
        return self._feed[-1].number if self._feed else 0

    async def history(self, kind: str, tenant: str, name: str, limit: int) -> list[RevisionRow]:
        """Return revisions of a key, newest first."""
        self._check_open()
        return self._history.get((kind, tenant, name), [])[::-1][:limit]

    async def revision(self, kind: str, tenant: str, name: str, version: int) -> RevisionRow | None:
        """Return one revision of a key."""
        self._check_open()
        found = self._history.get((kind, tenant, name), [])
        return next((row for row in found if row.version == version), None)

    async def audit_changes(self, wanted: Wanted) -> list[Written]:
        """Return revisions that fit, newest first."""
        self._check_open()
        return audit.changes(self._history.items(), wanted)

    async def refuse(self, refused: Sequence[Refused]) -> None:
        """Keep refused attempts."""
        self._check_open()
        for one in refused:
            self._refused += 1
            self._refusals.append(msgspec.structs.replace(one, number=self._refused))

    async def refusals(self, wanted: Wanted) -> list[Refused]:
        """Return refused attempts that fit, newest first."""
        self._check_open()
        found = (one for one in reversed(self._refusals) if one.number < wanted.before and audit.fits(one, wanted))
        return list(itertools.islice(found, wanted.limit))

    async def prune_refusals(self, before: float, limit: int) -> int:
        """Remove some of the oldest refused attempts."""
        self._check_open()
        spent = {one.number for one in [one for one in self._refusals if one.at < before][:limit]}
        self._refusals = [one for one in self._refusals if one.number not in spent]
        return len(spent)

    async def listen_for_work(self, queues: Sequence[str], heard: Callable[[str], None]) -> None:
        """Return at once: nobody who waits for the store is another process."""

    async def listen(self, heard: Callable[[Nudge], None]) -> None:
        """Return at once: who writes here tells it by the host's own bus."""

    async def close(self) -> None:
        """Refuse what comes after; safe to call twice."""
        self._closed = True

    def _first(self) -> int:
        return self._feed[0].number if self._feed else 1

    def _check_open(self) -> None:
        if self._closed:
            raise UnavailableError("the store was closed", temporary=False)


class _Staged:
    """A transaction's records, beside the store until all of them fit."""

    def __init__(
        self, rows: dict[Key, Row], history: dict[Key, list[RevisionRow]], feed: list[Change], batch: Batch
    ) -> None:
        self._rows, self._history, self._feed, self._batch = rows, history, feed, batch
        self._new: dict[Key, Row | None] = {}
        self._versions: dict[Key, int] = {}
        self._changes: list[Change] = []

    def write(self, operation: PutRow | DeleteRow) -> None:
        """Stage one operation, or raise."""
        key = (operation.kind, operation.tenant, operation.name)
        current = self._new[key] if key in self._new else self._rows.get(key)
        schema, spec = rules.settle(operation, current)
        past = self._history.get(key)
        version = self._versions.get(key, past[-1].version if past else 0) + 1
        before = (self._changes or self._feed)[-1:]
        change = Change(before[0].number + 1 if before else 1, *key, version, schema, spec)
        mark = rules.mark(before[0].mark if before else 0, change, self._batch)
        self._changes.append(msgspec.structs.replace(change, mark=mark))
        self._versions[key] = version
        self._new[key] = None if spec is None else Row(*key, version, change.number, schema, spec)

    def check_living(self) -> None:
        """Raise where a tenant of what was staged is no more."""
        for key in self._batch.living:
            past = self._history.get(key)
            live = (self._new[key] if key in self._new else self._rows.get(key)) is not None
            rules.check_living(*key, live=live, version=self._versions.get(key, past[-1].version if past else 0))

    def finish(self, inserted: list[str]) -> Committed:
        """Make it so."""
        for change in self._changes:
            key = (change.kind, change.tenant, change.name)
            batch = self._batch
            row = RevisionRow(
                change.number, change.version, batch.who, batch.when, batch.why, change.schema, change.spec
            )
            self._history.setdefault(key, []).append(row)
            if (current := self._new[key]) is None:
                self._rows.pop(key, None)
            else:
                self._rows[key] = current
        self._feed.extend(self._changes)
        return Committed([c.number for c in self._changes], inserted, [c.version for c in self._changes])
