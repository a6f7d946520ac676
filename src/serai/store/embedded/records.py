"""Statements over records, their history and the feed; each function runs within a transaction of its caller."""

from __future__ import annotations

import sqlite3

from serai.store import rules
from serai.store.contract import Change, Committed, Holding, NewTask
from serai.store.driver import Batch, DeleteRow, Keep, PutRow, RevisionRow, Row
from serai.store.embedded import tasks

_ROW = """
SELECT r.kind, r.tenant, r.name, r.version, r.change, v."schema", v.spec
FROM record r JOIN revision v ON v.change = r.change
"""
_HISTORY = (
    'SELECT change, version, who, at, why, "schema", spec FROM revision WHERE kind = ? AND tenant = ? AND name = ?'
)
_NEWEST = """
SELECT version, at, spec IS NULL FROM revision WHERE kind = ? AND tenant = ? AND name = ? ORDER BY version DESC LIMIT 1
"""
_LIVE = "SELECT 1 FROM record WHERE kind = ? AND tenant = ? AND name = ?"
_LAST = "SELECT change, mark FROM revision ORDER BY change DESC LIMIT 1"
#: Greater than all that can follow a prefix.
_END = "\U0010ffff"

Key = tuple[str, str, str]


def identity(cursor: sqlite3.Cursor) -> str:
    """Return the store's ID."""
    return str(cursor.execute("SELECT value FROM about WHERE key = 'store'").fetchone()[0])


def get(cursor: sqlite3.Cursor, key: Key) -> Row | None:
    """Return a live descriptor."""
    found = cursor.execute(_ROW + "WHERE r.kind = ? AND r.tenant = ? AND r.name = ?", key).fetchone()
    return Row(*found) if found else None


def scan(
    cursor: sqlite3.Cursor, kind: str, tenant: str | None, prefix: str, after: tuple[str, str], limit: int
) -> list[Row]:
    """Return live descriptors of a kind."""
    where, values = "WHERE r.kind = ?", [kind]
    if tenant is not None:
        # The bounds are on the name alone, so that the primary key serves them.
        where += " AND r.tenant = ? AND r.name > ?"
        values += [tenant, after[1] if after[0] == tenant else ""]
        if after[0] > tenant:
            return []
    else:
        where += " AND (r.tenant, r.name) > (?, ?)"
        values += after
    if prefix:
        where += " AND r.name >= ? AND r.name < ?"
        values += [prefix, prefix + _END]
    found = cursor.execute(f"{_ROW}{where} ORDER BY r.tenant, r.name LIMIT ?", (*values, limit))
    return [Row(*row) for row in found]


def export(cursor: sqlite3.Cursor, after: Key, limit: int) -> list[Row]:
    """Return live descriptors of all kinds."""
    where = "WHERE (r.kind, r.tenant, r.name) > (?, ?, ?) ORDER BY r.kind, r.tenant, r.name LIMIT ?"
    return [Row(*row) for row in cursor.execute(_ROW + where, (*after, limit))]


def changes(cursor: sqlite3.Cursor, after: int, limit: int) -> list[Change]:
    """Return entries of the feed."""
    rules.check_kept(after, first(cursor))
    statement = """SELECT change, kind, tenant, name, version, "schema", spec, mark
    FROM revision WHERE change > ? ORDER BY change LIMIT ?"""
    return [Change(*row) for row in cursor.execute(statement, (after, limit))]


def first(cursor: sqlite3.Cursor) -> int:
    """Return the number from which on the feed is complete."""
    found = cursor.execute("SELECT value FROM about WHERE key = 'first_change'").fetchone()
    return int(found[0]) if found else 1


def prune(cursor: sqlite3.Cursor, keep: Keep, after: int, limit: int) -> tuple[int, int]:
    """Remove spent revisions among the next ones; the feed is complete only after the last that was removed."""
    statement = """SELECT change, kind, tenant, name, version, at
    FROM revision WHERE change > ? AND change < ? ORDER BY change LIMIT ?"""
    looked_at = cursor.execute(statement, (after, keep.feed, limit)).fetchall()
    spent = [
        change
        for change, *key, version, when in looked_at
        if rules.is_spent(key[0], version, when, cursor.execute(_NEWEST, key).fetchone(), keep)
    ]
    cursor.executemany("DELETE FROM revision WHERE change = ?", [(change,) for change in spent])
    if spent:
        begin = max(first(cursor), spent[-1] + 1)
        cursor.execute("INSERT OR REPLACE INTO about (key, value) VALUES ('first_change', ?)", (str(begin),))
    return looked_at[-1][0] if looked_at else 0, len(spent)


def last(cursor: sqlite3.Cursor) -> tuple[int, int]:
    """Return (number, mark) of the newest change."""
    found = cursor.execute(_LAST).fetchone()
    return (found[0], found[1]) if found else (0, 0)


def history(cursor: sqlite3.Cursor, key: Key, limit: int) -> list[RevisionRow]:
    """Return revisions of a key, newest first."""
    found = cursor.execute(_HISTORY + " ORDER BY version DESC LIMIT ?", (*key, limit))
    return [RevisionRow(*row) for row in found]


def revision(cursor: sqlite3.Cursor, key: Key, version: int) -> RevisionRow | None:
    """Return one revision of a key."""
    found = cursor.execute(_HISTORY + " AND version = ?", (*key, version)).fetchone()
    return RevisionRow(*found) if found else None


def apply(cursor: sqlite3.Cursor, batch: Batch) -> Committed:
    """Apply a transaction; the caller rolls back where it raises.

    The write lock is held, so the newest number stays the newest until this is committed: no gaps, no reordering.
    """
    done = Committed([], [], [])
    number, mark = last(cursor)
    for operation in batch.operations:
        if isinstance(operation, (NewTask, Holding)):
            continue
        number += 1
        change = _write(cursor, batch, operation, number, mark)
        mark = change.mark
        done.changes.append(number)
        done.versions.append(change.version)
    for key in batch.living:
        live = cursor.execute(_LIVE, key).fetchone() is not None
        rules.check_living(*key, live=live, version=0 if live else _last_version(cursor, key))
    done.tasks.extend(tasks.ROWS.apply(cursor, batch))
    return done


def _write(cursor: sqlite3.Cursor, batch: Batch, operation: PutRow | DeleteRow, number: int, mark: int) -> Change:
    key = (operation.kind, operation.tenant, operation.name)
    current = get(cursor, key)
    schema, spec = rules.settle(operation, current)
    version = (current.version if current else _last_version(cursor, key)) + 1
    change = Change(number, *key, version, schema, spec)
    change = Change(number, *key, version, schema, spec, rules.mark(mark, change, batch))
    cursor.execute(
        "INSERT INTO revision VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (number, *key, version, batch.who, batch.why, batch.when, schema, spec, change.mark),
    )
    if spec is None:
        cursor.execute("DELETE FROM record WHERE kind = ? AND tenant = ? AND name = ?", key)
    elif current is None:
        cursor.execute("INSERT INTO record VALUES (?, ?, ?, ?, ?)", (*key, version, number))
    else:
        statement = "UPDATE record SET version = ?, change = ? WHERE kind = ? AND tenant = ? AND name = ?"
        cursor.execute(statement, (version, number, *key))
    return change


def _last_version(cursor: sqlite3.Cursor, key: Key) -> int:
    statement = "SELECT coalesce(max(version), 0) FROM revision WHERE kind = ? AND tenant = ? AND name = ?"
    return int(cursor.execute(statement, key).fetchone()[0])
