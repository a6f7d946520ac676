"""Tenants: list, show, create, set, delete."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated, Any

import typer

from serai.api.client import descriptor, segment
from serai.cli.terminal import Terminal
from serai.errors import DeniedError, InvalidError, NotFoundError
from serai.services.terminal import DryRunOption, JsonOption, change

app = typer.Typer(name="tenant", help="Customers: who owns apps, and how much they may use.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The tenant's name: a DNS label.")]


@app.command("list")
def list_(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """List tenants: all, or those where you were given a role."""
    terminal: Terminal = ctx.obj
    try:
        rows = [_row(item) for item in terminal.api.pages("/v1/tenant", {"limit": 1000})]
    except (NotFoundError, DeniedError):
        rows = [_row(terminal.api.get("tenant", name, name)) for name in terminal.tenants()]
    terminal.table(rows, ("name", "title", "memory_mb", "disk_mb", "processes", "tasks"), as_json=as_json)


@app.command()
def show(ctx: typer.Context, name: Name, as_json: JsonOption = False) -> None:
    """Show a tenant, its quotas, and how many tasks wait."""
    terminal: Terminal = ctx.obj
    row = _row(terminal.api.get("tenant", name, name))
    with suppress(DeniedError):  # who may see it need not be let count
        row["tasks_waiting"] = terminal.api.call("GET", f"/v1/tenants/{segment(name)}/usage")["tasks_waiting"]
    terminal.result(row, "\n".join(f"{key}: {value}" for key, value in row.items()), as_json=as_json)


@app.command()
def create(
    ctx: typer.Context,
    name: Name,
    title: Annotated[str, typer.Option(help="What people call it.")] = "",
    memory_mb: Annotated[int, typer.Option(min=16, help="Of all its instances, MiB.")] = 16384,
    disk_mb: Annotated[int, typer.Option(min=1, help="Of all its data folders, MiB.")] = 32768,
    processes: Annotated[int, typer.Option(min=1, help="Of all its instances.")] = 4096,
    tasks: Annotated[int, typer.Option(min=1, help="Of all its apps, that wait.")] = 1_000_000,
    dry_run: DryRunOption = False,
) -> None:
    """Make a tenant."""
    terminal: Terminal = ctx.obj
    limits = {"memory_mb": memory_mb, "disk_mb": disk_mb, "processes": processes, "tasks": tasks}
    body = {"name": name, "title": title, **limits}
    if change(terminal, f"create the tenant {name}", "POST", "/v1/tenants", body, dry_run=dry_run) is not None:
        terminal.note(f"The tenant {name} is there.")


@app.command("set")
def set_(
    ctx: typer.Context,
    name: Name,
    title: Annotated[str | None, typer.Option(help="What people call it.")] = None,
    memory_mb: Annotated[int | None, typer.Option(min=16, help="Of all its instances, MiB.")] = None,
    disk_mb: Annotated[int | None, typer.Option(min=1, help="Of all its data folders, MiB.")] = None,
    processes: Annotated[int | None, typer.Option(min=1, help="Of all its instances.")] = None,
    tasks: Annotated[int | None, typer.Option(min=1, help="Of all its apps, that wait.")] = None,
    dry_run: DryRunOption = False,
) -> None:
    """Change a tenant's title or quotas; what runs goes on, also beyond a smaller quota."""
    terminal: Terminal = ctx.obj
    limits = {"memory_mb": memory_mb, "disk_mb": disk_mb, "processes": processes, "tasks": tasks}
    given = {"title": title, **limits}
    changes = {field: value for field, value in given.items() if value is not None}
    if not changes:
        raise InvalidError("Say what to change, such as --memory-mb 32768.", path="tenant")
    told = ", ".join(f"{field} {value}" for field, value in changes.items())
    path = descriptor("tenant", name, name)
    if change(terminal, f"change the tenant {name}: {told}", "PATCH", path, changes, dry_run=dry_run) is not None:
        terminal.note(f"The tenant {name} has {told}.")


@app.command()
def delete(
    ctx: typer.Context,
    name: Name,
    confirm: Annotated[str, typer.Option(help="Its name once more.")] = "",
    dry_run: DryRunOption = False,
) -> None:
    """Delete a tenant with its apps and all their data; `serai undelete` has it back for 7 days."""
    terminal: Terminal = ctx.obj
    if confirm != name and not dry_run:
        raise InvalidError(f"Say --confirm {name} to delete it with all that is its own.", path="confirm")
    would = f"delete the tenant {name} with all its apps and their data"
    path, query = descriptor("tenant", name, name), {"confirm": confirm}
    if change(terminal, would, "DELETE", path, query=query, dry_run=dry_run) is not None:
        terminal.note(f"The tenant {name} is deleted.")


def _row(item: dict[str, Any]) -> dict[str, Any]:
    return {"name": item["name"], **item["spec"]}
