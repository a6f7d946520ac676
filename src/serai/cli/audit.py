"""The audit: who changed what, and who was refused what."""

from __future__ import annotations

import re
import time
from typing import Annotated, Any

import typer

from serai.cli.terminal import Terminal
from serai.errors import InvalidError
from serai.services.terminal import JsonOption

app = typer.Typer()

_SPAN = re.compile(r"(\d{1,6})([smhd])\Z")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_PAGE = 1000

Tenant = Annotated[str | None, typer.Option("--tenant", help="One tenant's; «-» is the platform itself.")]
Who = Annotated[str, typer.Option(help="Of somebody, such as user:ada, wherever they asked from.")]
Refused = Annotated[bool, typer.Option("--refused", help="What was refused, in the place of what was changed.")]
Since = Annotated[str, typer.Option(help="How far back, such as 90m, 24h or 7d.")]
Limit = Annotated[int, typer.Option(min=1, max=100_000, help="How many lines at most.")]


@app.command("audit")
def audit(
    ctx: typer.Context,
    *,
    tenant: Tenant = None,
    who: Who = "",
    kind: Annotated[str, typer.Option(help="Of one kind of descriptor.")] = "",
    name: Annotated[str, typer.Option(help="Of one descriptor.")] = "",
    refused: Refused = False,
    since: Since = "",
    limit: Limit = 100,
    as_json: JsonOption = False,
) -> None:
    """Show who changed what, newest first; with --refused, who was not let."""
    terminal: Terminal = ctx.obj
    query = {"tenant": tenant, "who": who, "kind": kind, "name": name, "since": _begin(since)}
    found = _find(terminal, "refusals" if refused else "changes", query, limit)
    rows = [{**one, "when": time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(one["at"]))} for one in found]
    columns = ("when", "who", "action", "tenant", "app", "name", "reason", "count")
    if not refused:
        columns = ("when", "who", "did", "kind", "tenant", "name", "version", "why")
        rows = [{**one, "did": "delete" if one["deleted"] else "write"} for one in rows]
    terminal.table(found if as_json else rows, columns, as_json=as_json, empty="Nothing fits.")


def _find(terminal: Terminal, what: str, query: dict[str, Any], limit: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    before = None
    while len(found) < limit:
        asked = {**query, "before": before, "limit": min(_PAGE, limit - len(found))}
        page = terminal.api.call("GET", f"/v1/audit/{what}", query=asked)
        found += page["items"]
        before = page["next"]
        if not before:
            break
    return found


def _begin(span: str) -> str | None:
    if not span:
        return None
    match = _SPAN.match(span)
    if match is None:
        raise InvalidError("A time span is a number with s, m, h or d, such as 24h.", path="since")
    return str(time.time() - int(match[1]) * _SECONDS[match[2]])
