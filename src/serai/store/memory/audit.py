"""The audit over plain lists."""

from __future__ import annotations

from collections.abc import Iterable

from serai.store.audit import FROM, Refused, Wanted, Written
from serai.store.driver import RevisionRow


def changes(history: Iterable[tuple[tuple[str, str, str], list[RevisionRow]]], wanted: Wanted) -> list[Written]:
    """Return revisions that fit, newest first."""
    found = [
        Written(
            change=row.change,
            at=row.when,
            who=row.who,
            why=row.why,
            kind=kind,
            tenant=tenant,
            name=name,
            version=row.version,
            deleted=row.spec is None,
        )
        for (kind, tenant, name), rows in history
        for row in rows
        if row.change < wanted.before
    ]
    return sorted((one for one in found if fits(one, wanted)), key=lambda one: -one.change)[: wanted.limit]


def fits(one: Written | Refused, wanted: Wanted) -> bool:
    """Tell whether a line of the audit is looked for."""
    return (
        wanted.tenant in {None, one.tenant}
        and wanted.kind in {"", one.kind}
        and wanted.name in {"", one.name}
        and (wanted.who in {"", one.who} or one.who.startswith(wanted.who + FROM))
        and wanted.since <= one.at <= wanted.until
    )
