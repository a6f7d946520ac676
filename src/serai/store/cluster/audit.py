"""Statements over what the audit shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from serai.store.audit import FROM, Refused, Wanted, Written
from serai.store.cluster.tx import Tx

_CHANGES = "SELECT change, at, who, why, kind, tenant, name, version, spec IS NULL FROM revision"
_REFUSALS = "SELECT at, who, action, tenant, app, kind, name, reason, count, number FROM refusal"
_REFUSE = """
INSERT INTO refusal (at, who, action, tenant, app, kind, name, reason, count)
SELECT * FROM unnest(%s::float8[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[],
                     %s::bigint[])
"""
_PRUNE = "DELETE FROM refusal WHERE number IN (SELECT number FROM refusal WHERE at < %s ORDER BY number LIMIT %s)"


def changes(tx: Tx, wanted: Wanted) -> list[Written]:
    """Return revisions that fit."""
    return [
        Written(**dict(zip(Written.__struct_fields__, row, strict=True)))
        for row in tx.rows(*_where(_CHANGES, "change", wanted))
    ]


def refusals(tx: Tx, wanted: Wanted) -> list[Refused]:
    """Return refused attempts that fit."""
    return [
        Refused(**dict(zip(Refused.__struct_fields__, row, strict=True)))
        for row in tx.rows(*_where(_REFUSALS, "number", wanted))
    ]


def refuse(tx: Tx, refused: Sequence[Refused]) -> None:
    """Keep refused attempts."""
    tx.run(_REFUSE, [[getattr(one, field) for one in refused] for field in Refused.__struct_fields__[:-1]])


def prune(tx: Tx, before: float, limit: int) -> int:
    """Remove some of the oldest refused attempts."""
    return tx.run(_PRUNE, (before, limit))


def _where(select: str, number: str, wanted: Wanted) -> tuple[str, list[Any]]:
    terms: list[tuple[str, list[Any]]] = [
        (f"{number} < %s", [wanted.before]),
        ("at BETWEEN %s AND %s", [wanted.since, wanted.until]),
    ]
    terms += [(f"{field} = %s", [value]) for field in ("kind", "name") if (value := getattr(wanted, field))]
    if wanted.tenant is not None:
        terms.append(("tenant = %s", [wanted.tenant]))
    if wanted.who:
        terms.append(("(who = %s OR starts_with(who, %s))", [wanted.who, wanted.who + FROM]))
    values = [value for _, each in terms for value in each]
    return f"{select} WHERE {' AND '.join(text for text, _ in terms)} ORDER BY {number} DESC LIMIT %s", [
        *values,
        wanted.limit,
    ]
