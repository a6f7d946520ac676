"""Statements over what the audit shows; each function runs within a transaction of its caller."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from serai.store.audit import FROM, Refused, Wanted, Written

_CHANGES = "SELECT change, at, who, why, kind, tenant, name, version, spec IS NULL FROM revision"
_REFUSALS = "SELECT at, who, action, tenant, app, kind, name, reason, count, number FROM refusal"
_REFUSE = "INSERT INTO refusal (at, who, action, tenant, app, kind, name, reason, count) VALUES (?,?,?,?,?,?,?,?,?)"
_PRUNE = "DELETE FROM refusal WHERE number IN (SELECT number FROM refusal WHERE at < ? ORDER BY number LIMIT ?)"


def changes(cursor: sqlite3.Cursor, wanted: Wanted) -> list[Written]:
    """Return revisions that fit."""
    found = cursor.execute(*_where(_CHANGES, "change", wanted))
    fields = Written.__struct_fields__
    return [Written(**dict(zip(fields, (*row[:-1], bool(row[-1])), strict=True))) for row in found]


def refusals(cursor: sqlite3.Cursor, wanted: Wanted) -> list[Refused]:
    """Return refused attempts that fit."""
    found = cursor.execute(*_where(_REFUSALS, "number", wanted))
    return [Refused(**dict(zip(Refused.__struct_fields__, row, strict=True))) for row in found]


def refuse(cursor: sqlite3.Cursor, refused: Sequence[Refused]) -> None:
    """Keep refused attempts."""
    fields = Refused.__struct_fields__[:-1]
    cursor.executemany(_REFUSE, [tuple(getattr(one, field) for field in fields) for one in refused])


def prune(cursor: sqlite3.Cursor, before: float, limit: int) -> int:
    """Remove some of the oldest refused attempts."""
    return cursor.execute(_PRUNE, (before, limit)).rowcount


def _where(select: str, number: str, wanted: Wanted) -> tuple[str, list[Any]]:
    terms: list[tuple[str, list[Any]]] = [
        (f"{number} < ?", [wanted.before]),
        ("at >= ? AND at <= ?", [wanted.since, wanted.until]),
    ]
    terms += [(f"{field} = ?", [value]) for field in ("kind", "name") if (value := getattr(wanted, field))]
    if wanted.tenant is not None:
        terms.append(("tenant = ?", [wanted.tenant]))
    if wanted.who:
        there = wanted.who + FROM
        terms.append(("(who = ? OR substr(who, 1, ?) = ?)", [wanted.who, len(there), there]))
    values = [value for _, each in terms for value in each]
    where = " AND ".join(text for text, _ in terms)
    return f"{select} WHERE {where} ORDER BY {number} DESC LIMIT ?", [*values, wanted.limit]
