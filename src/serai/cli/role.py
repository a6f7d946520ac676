"""Roles: what their holders may do."""

from __future__ import annotations

from typing import Annotated

import typer

from serai.api.client import descriptor, segment
from serai.cli.common import Where, place_of
from serai.cli.terminal import Terminal
from serai.services.terminal import DryRunOption, JsonOption, change

app = typer.Typer(name="role", help="What members may do: built-in roles and your own.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The role's name.")]


@app.command("list")
def list_(ctx: typer.Context, tenant: Where = None, as_json: JsonOption = False) -> None:
    """List the roles that can be given in a tenant, and what each allows."""
    terminal: Terminal = ctx.obj
    rows = terminal.api.call("GET", f"/v1/roles/{segment(place_of(terminal, tenant))}")["items"]
    terminal.table(rows, ("name", "built_in", "title", "actions"), as_json=as_json)


@app.command("set")
def set_(
    ctx: typer.Context,
    name: Name,
    action: Annotated[list[str], typer.Option(help="noun.verb, such as app.deploy; * is any. Repeat it.")],
    title: Annotated[str, typer.Option(help="What people call it.")] = "",
    tenant: Where = None,
    dry_run: DryRunOption = False,
) -> None:
    """Make a role, or change it for all who have it."""
    terminal: Terminal = ctx.obj
    path = descriptor("role", place_of(terminal, tenant), name)
    body = {"actions": action, "title": title}
    if change(terminal, f"let {name} do {' '.join(action)}", "PUT", path, body, dry_run=dry_run) is not None:
        terminal.note(f"The role {name} is set.")


@app.command()
def delete(ctx: typer.Context, name: Name, tenant: Where = None, dry_run: DryRunOption = False) -> None:
    """Delete a role; who has it may nothing by it from now on."""
    terminal: Terminal = ctx.obj
    path, query = descriptor("role", place_of(terminal, tenant), name), {"confirm": name}
    if change(terminal, f"delete the role {name}", "DELETE", path, query=query, dry_run=dry_run) is not None:
        terminal.note(f"The role {name} is gone.")
