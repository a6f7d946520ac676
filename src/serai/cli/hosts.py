"""Hosts' keys: what a host shows to be known as itself."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from serai.api.client import segment
from serai.cli.terminal import Terminal
from serai.services.terminal import DryRunOption, JsonOption, change, when

app = typer.Typer(name="host", help="What hosts show to be known as themselves.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The host's name.")]


@app.command("list")
def list_(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """List hosts that have keys, or had; never the keys themselves."""
    terminal: Terminal = ctx.obj
    rows: list[dict[str, Any]] = terminal.api.call("GET", "/v1/hosts")["items"]
    shown = rows if as_json else [{**row, "made": when(row["made"])} for row in rows]
    terminal.table(shown, ("name", "made", "revoked"), as_json=as_json)


@app.command()
def enrol(ctx: typer.Context, name: Name, as_json: JsonOption = False, dry_run: DryRunOption = False) -> None:
    """Make a host's key, in the place of the one before, and print it: it is not shown again.

    The host that is asked keeps its own in its home, and prints nothing.
    """
    terminal: Terminal = ctx.obj
    path = f"/v1/hosts/{segment(name)}/key"
    made = change(terminal, f"make a new key for the host {name}", "POST", path, dry_run=dry_run)
    if made is None:
        return
    if as_json or made["key"]:
        terminal.result(made, made["key"], as_json=as_json)
    else:
        terminal.note(f"The host {name} has kept its new key.")


@app.command()
def revoke(ctx: typer.Context, name: Name, dry_run: DryRunOption = False) -> None:
    """End a host's key: whoever shows it is nobody from now on."""
    terminal: Terminal = ctx.obj
    path = f"/v1/hosts/{segment(name)}/key"
    if change(terminal, f"revoke the key of the host {name}", "DELETE", path, dry_run=dry_run) is not None:
        terminal.note(f"The key of {name} has ended.")
