"""``serai trash`` and ``serai app undelete``: deleted apps, releases and tenants, for a week."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from serai.errors import InvalidError
from serai.services.apps.commands.target import AppName, Target
from serai.services.paths import PLATFORM, segment
from serai.services.terminal import DryRunOption, JsonOption, TenantOption, Terminal, change, when

trash = typer.Typer(name="trash", help="What was deleted, and can be had back for 7 days.", no_args_is_help=True)

_PARTS = {"versions", "blobs", "parts"}

Name = Annotated[str, typer.Argument(metavar="NAME", help="As `serai trash list` prints it.")]


@trash.command("list")
def list_trash(ctx: typer.Context, tenant: TenantOption = None, as_json: JsonOption = False) -> None:
    """List deleted apps and releases that can be had back; with `--tenant -` tenants."""
    terminal: Terminal = ctx.obj
    query: dict[str, str | int | bool | None] = {"tenant": terminal.tenant(tenant), "limit": 1000}
    rows = [_row(item, as_json=as_json) for item in terminal.api.call("GET", "/v1/trash", query=query)["items"]]
    columns = ("name", "what", "data", "disk_mb", "deleted", "until", "who", "state")
    terminal.table(rows, columns, as_json=as_json, empty="Nothing was deleted.")


@trash.command("show")
def show_trash(ctx: typer.Context, name: Name, tenant: TenantOption = None, as_json: JsonOption = False) -> None:
    """Show something deleted: what of it there was."""
    terminal: Terminal = ctx.obj
    item = terminal.api.call("GET", f"/v1/trash/{segment(terminal.tenant(tenant))}/{segment(name)}")
    lines = [f"{key}: {value}" for key, value in _row(item, as_json=False).items() if key not in _PARTS]
    lines += [f"  {key}" for key in [*sorted(item["spec"]["versions"]), *item["spec"]["parts"]]]
    terminal.result(_row(item, as_json=True), "\n".join(lines), as_json=as_json)


@trash.command()
def purge(
    ctx: typer.Context,
    name: Name,
    confirm: Annotated[str, typer.Option(help="The app's or the tenant's name.")] = "",
    tenant: TenantOption = None,
    dry_run: DryRunOption = False,
) -> None:
    """End something deleted at once, its data included if that was deleted."""
    app = name.partition(".")[0]
    target = Target(ctx, app, tenant)
    if confirm != app and not dry_run:
        raise InvalidError(f"Say --confirm {app} to end it.", path="confirm")
    place = f"/v1/tenants/{segment(app)}" if target.tenant == PLATFORM else target.path()
    would, path = f"purge {name} of {target.tenant}", f"{place}/trash/{segment(name)}"
    told = change(target.terminal, would, "DELETE", path, query={"confirm": confirm}, dry_run=dry_run)
    if told:
        target.terminal.follow(told["tasks"], f"Purging {name}")
        target.terminal.note(f"{name} is gone for good.")


def undelete(
    ctx: typer.Context,
    app: AppName,
    name: Annotated[str, typer.Option("--trash", help="Which, of several: see `serai trash list`.")] = "",
    tenant: TenantOption = None,
    dry_run: DryRunOption = False,
) -> None:
    """Bring a deleted app back with its releases, domains and variables, and its data if that was deleted."""
    target = Target(ctx, app, tenant)
    told = target.change(f"bring {app} back", "POST", "undelete", body={"trash": name}, dry_run=dry_run)
    if told:
        target.terminal.follow(told["tasks"], f"Bringing {app} back")
        for note in told["notes"]:
            target.terminal.note(note)
        target.terminal.note(f"{app} is back.")


def _row(item: dict[str, Any], *, as_json: bool) -> dict[str, Any]:
    row = {"name": item["name"], **item["spec"]}
    if as_json:
        return row
    return {**row, **{key: when(row[key]) for key in ("deleted", "until")}}
