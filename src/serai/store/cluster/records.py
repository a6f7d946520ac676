"""Statements over records, their history and the feed; each function runs within a transaction of its caller.

Those that read are one statement each, so that they see one state of the database also without a transaction.
"""

from __future__ import annotations

from typing import Any

import msgspec

from serai.errors import InternalError
from serai.store import rules
from serai.store.cluster import tasks
from serai.store.cluster.tx import Head, Tx
from serai.store.contract import Change, Committed, Holding, NewTask
from serai.store.driver import Batch, DeleteRow, Keep, PutRow, RevisionRow, Row

_ROW = """
SELECT r.kind, r.tenant, r.name, r.version, r.change, v."schema", v.spec
FROM record r JOIN revision v ON v.change = r.change
"""
_HISTORY = (
    'SELECT change, version, who, at, why, "schema", spec FROM revision WHERE kind = %s AND tenant = %s AND name = %s'
)
_CHANGES = """
SELECT h.first, f.change, f.kind, f.tenant, f.name, f.version, f."schema", f.spec, f.mark
FROM head h LEFT JOIN LATERAL (SELECT * FROM revision WHERE change > %s ORDER BY change LIMIT %s) f ON true
ORDER BY f.change
"""
_LOCK_HEAD = "SELECT number, mark FROM head FOR UPDATE"
#: What is there of each key: the live row, or else only the version of its deletion.
_CURRENT = """
SELECT k.kind, k.tenant, k.name, r.version, r.change, v."schema", v.spec,
       coalesce(r.version, (SELECT max(version) FROM revision h
                            WHERE h.kind = k.kind AND h.tenant = k.tenant AND h.name = k.name), 0)
FROM unnest(%s::text[], %s::text[], %s::text[]) k (kind, tenant, name)
LEFT JOIN record r ON r.kind = k.kind AND r.tenant = k.tenant AND r.name = k.name
LEFT JOIN revision v ON v.change = r.change
"""
_WRITE = """
WITH written AS (
    INSERT INTO revision (who, why, at, change, kind, tenant, name, version, "schema", spec, mark)
    SELECT %s, %s, %s, *
    FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::text[], %s::bigint[], %s::bigint[], %s::bytea[], %s::bigint[])
), gone AS (
    DELETE FROM record r USING unnest(%s::text[], %s::text[], %s::text[]) k (kind, tenant, name)
    WHERE r.kind = k.kind AND r.tenant = k.tenant AND r.name = k.name
)
INSERT INTO record (kind, tenant, name, version, change)
SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::bigint[], %s::bigint[])
ON CONFLICT (kind, tenant, name) DO UPDATE SET version = excluded.version, change = excluded.change
"""
_PAST = """
SELECT v.change, v.kind, v.version, v.at, n.version, n.at, n.gone
FROM (SELECT * FROM revision WHERE change > %s AND change < %s ORDER BY change LIMIT %s) v
CROSS JOIN LATERAL (SELECT version, at, spec IS NULL AS gone FROM revision n
                    WHERE n.kind = v.kind AND n.tenant = v.tenant AND n.name = v.name
                    ORDER BY version DESC LIMIT 1) n
ORDER BY v.change
"""
#: Greater than all that can follow a prefix.
_END = "\U0010ffff"

Key = tuple[str, str, str]


def identity(tx: Tx) -> str:
    """Return the store's ID."""
    return str(_one(tx.row("SELECT value FROM about WHERE key = 'store'"))[0])


def get(tx: Tx, key: Key) -> Row | None:
    """Return a live descriptor."""
    found = tx.row(_ROW + "WHERE r.kind = %s AND r.tenant = %s AND r.name = %s", key)
    return Row(*found) if found else None


def scan(tx: Tx, kind: str, tenant: str | None, prefix: str, after: tuple[str, str], limit: int) -> list[Row]:
    """Return live descriptors of a kind."""
    where, values = "WHERE r.kind = %s", [kind]
    if tenant is not None:
        # The bounds are on the name alone, so that the primary key serves them.
        where += " AND r.tenant = %s AND r.name > %s"
        values += [tenant, after[1] if after[0] == tenant else ""]
        if after[0] > tenant:
            return []
    else:
        where += " AND (r.tenant, r.name) > (%s, %s)"
        values += after
    if prefix:
        where += " AND r.name >= %s AND r.name < %s"
        values += [prefix, prefix + _END]
    found = tx.rows(f"{_ROW}{where} ORDER BY r.tenant, r.name LIMIT %s", (*values, limit))
    return [Row(*row) for row in found]


def export(tx: Tx, after: Key, limit: int) -> list[Row]:
    """Return live descriptors of all kinds."""
    where = "WHERE (r.kind, r.tenant, r.name) > (%s, %s, %s) ORDER BY r.kind, r.tenant, r.name LIMIT %s"
    return [Row(*row) for row in tx.rows(_ROW + where, (*after, limit))]


def changes(tx: Tx, after: int, limit: int) -> list[Change]:
    """Return entries of the feed."""
    found = tx.rows(_CHANGES, (after, limit))
    rules.check_kept(after, found[0][0])
    return [Change(*row[1:]) for row in found if row[1] is not None]


def first(tx: Tx) -> int:
    """Return the number from which on the feed is complete."""
    return int(_one(tx.row("SELECT first FROM head"))[0])


def last(tx: Tx) -> int:
    """Return the number of the newest change."""
    return int(_one(tx.row("SELECT number FROM head"))[0])


def history(tx: Tx, key: Key, limit: int) -> list[RevisionRow]:
    """Return revisions of a key, newest first."""
    return [RevisionRow(*row) for row in tx.rows(_HISTORY + " ORDER BY version DESC LIMIT %s", (*key, limit))]


def revision(tx: Tx, key: Key, version: int) -> RevisionRow | None:
    """Return one revision of a key."""
    found = tx.row(_HISTORY + " AND version = %s", (*key, version))
    return RevisionRow(*found) if found else None


def apply(tx: Tx, batch: Batch) -> Committed:
    """Apply a transaction; the caller rolls back where it raises.

    The head's lock is held until the commit, so the newest number stays the newest: no gaps, no reordering. Whoever
    waits for it reads what the one before wrote, since each statement sees all that was committed when it began.
    """
    staged = _Staged(tx, batch) if changes_something(batch) else None
    for operation in batch.operations:
        if staged is not None and not isinstance(operation, (NewTask, Holding)):
            staged.write(operation)
    if staged is not None:
        staged.finish()
    inserted = tasks.ROWS.apply(tx, batch)
    written = staged.changes if staged is not None else []
    return Committed([c.number for c in written], inserted, [c.version for c in written])


def changes_something(batch: Batch) -> bool:
    """Tell whether a transaction writes descriptors, and not only tasks."""
    return any(not isinstance(operation, (NewTask, Holding)) for operation in batch.operations)


def prune(tx: Tx, keep: Keep, after: int, limit: int) -> tuple[int, int]:
    """Remove spent revisions among the next ones; the feed is complete only after the last that was removed."""
    tx.row(_LOCK_HEAD)
    looked_at = tx.rows(_PAST, (after, keep.feed, limit))
    spent = [
        change
        for change, kind, version, at, *newest in looked_at
        if rules.is_spent(kind, version, at, (*newest,), keep)
    ]
    if spent:
        tx.run("DELETE FROM revision WHERE change = ANY (%s)", (spent,))
        tx.run("UPDATE head SET first = greatest(first, %s)", (spent[-1] + 1,))
    return looked_at[-1][0] if looked_at else 0, len(spent)


class _Staged:
    """A transaction's changes, settled here and written at once: two round trips, however many there are."""

    def __init__(self, tx: Tx, batch: Batch) -> None:
        self.changes: list[Change] = []
        self._tx, self._batch = tx, batch
        if tx.head is None:
            tx.head = Head(*_one(tx.row(_LOCK_HEAD)))
        self._rows: dict[Key, Row | None] = {}
        self._versions: dict[Key, int] = {}
        keys = {_key(operation) for operation in batch.operations if not isinstance(operation, (NewTask, Holding))}
        keys.update(batch.living)
        for *key, version, change, schema, spec, last_version in tx.rows(_CURRENT, _columns(keys, 3)):
            at = (key[0], key[1], key[2])
            self._rows[at] = Row(*at, version, change, schema, spec) if version is not None else None
            self._versions[at] = last_version

    def write(self, operation: PutRow | DeleteRow) -> None:
        """Settle one operation, or raise."""
        key = _key(operation)
        schema, spec = rules.settle(operation, self._rows[key])
        head = self._tx.head or Head(0, 0)
        self._versions[key] += 1
        change = Change(head.number + 1, *key, self._versions[key], schema, spec)
        change = msgspec.structs.replace(change, mark=rules.mark(head.mark, change, self._batch))
        self.changes.append(change)
        self._rows[key] = None if spec is None else Row(*key, change.version, change.number, schema, spec)
        self._tx.head = Head(change.number, change.mark)

    def finish(self) -> None:
        """Write it all; the head follows with the commit."""
        batch = self._batch
        for key in batch.living:
            rules.check_living(*key, live=self._rows[key] is not None, version=self._versions[key])
        touched = {(change.kind, change.tenant, change.name) for change in self.changes}
        live = [(*key, row.version, row.change) for key in touched if (row := self._rows[key]) is not None]
        gone = [key for key in touched if self._rows[key] is None]
        written = _columns([msgspec.structs.astuple(change) for change in self.changes], 8)
        self._tx.run(_WRITE, (batch.who, batch.why, batch.when, *written, *_columns(gone, 3), *_columns(live, 5)))


def _key(operation: PutRow | DeleteRow) -> Key:
    return operation.kind, operation.tenant, operation.name


def _columns(rows: Any, width: int) -> list[list[Any]]:
    """Turn rows into one array for each column, as unnest takes them."""
    return [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(width)]


def _one(row: tuple[Any, ...] | None) -> tuple[Any, ...]:
    if row is None:
        raise InternalError("a row that is always there is missing in the database")
    return row
