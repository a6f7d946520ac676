"""``serai undelete``: bring back what was deleted, whatever kind it is."""

from __future__ import annotations

from typing import Annotated

import typer

from serai.api.client import segment
from serai.cli.terminal import Terminal
from serai.errors import InvalidError
from serai.services.paths import PLATFORM
from serai.services.terminal import DryRunOption, TenantOption, change

app = typer.Typer()

#: Kinds that belong to the platform alone.
_PLATFORM = {"user", "tenant"}


@app.command()
def undelete(
    ctx: typer.Context,
    kind: Annotated[str, typer.Argument(help="app, release, tenant, domain, variables, schedule, member, role, user.")],
    name: Annotated[str, typer.Argument(help="Its name; a release's is APP.NUMBER.")],
    tenant: TenantOption = None,
    dry_run: DryRunOption = False,
) -> None:
    """Bring back what was deleted: apps, releases and tenants for 7 days, all else as long as there is a history."""
    terminal: Terminal = ctx.obj
    where = PLATFORM if kind in _PLATFORM else terminal.tenant(tenant)
    path, body, query = _request(kind, where, name)
    told = change(terminal, f"bring {kind} {name} back", "POST", path, body, query=query, dry_run=dry_run)
    if told is None:
        return
    terminal.follow(told["tasks"], f"Bringing {name} back")
    for note in told.get("notes", ()):
        terminal.note(note)
    terminal.note(f"{kind} {name} is back.")


def _request(kind: str, tenant: str, name: str) -> tuple[str, dict[str, str], dict[str, str]]:
    """Return path, body and query."""
    if kind == "tenant":
        return f"/v1/tenants/{segment(name)}/undelete", {}, {}
    if kind == "app":
        return f"/v1/apps/{segment(tenant)}/{segment(name)}/undelete", {}, {}
    if kind == "release":
        release, _, number = name.rpartition(".")
        if not release or not number.isdecimal():
            raise InvalidError("A release is named APP.NUMBER, such as shop.3.", path="name")
        return f"/v1/apps/{segment(tenant)}/{segment(release)}/releases/{number}/undelete", {}, {}
    return "/v1/undelete", {"kind": kind, "name": name}, {"tenant": tenant}
