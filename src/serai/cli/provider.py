"""Providers, the remote parties that tasks depend on: list them, declare them down and up."""

from __future__ import annotations

from typing import Annotated

import typer

from serai.api.client import segment
from serai.cli.task import TenantFilter, WhyOption, when
from serai.cli.terminal import Terminal
from serai.services.terminal import DryRunOption, JsonOption

app = typer.Typer(name="provider", help="Remote parties that tasks depend on.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The provider; an app's own is TENANT/APP/NAME.")]


@app.command("list")
def list_(ctx: typer.Context, tenant: TenantFilter = None, as_json: JsonOption = False) -> None:
    """List the providers that are or were down."""
    terminal: Terminal = ctx.obj
    rows = terminal.api.call("GET", "/v1/providers", query={"tenant": tenant})["items"]
    shown = rows if as_json else [one | {"since": when(one["since"])} for one in rows]
    terminal.table(shown, ("name", "state", "declared", "since", "who", "why"), as_json=as_json)


@app.command()
def down(ctx: typer.Context, name: Name, why: WhyOption = "", dry_run: DryRunOption = False) -> None:
    """Declare a provider down: its tasks wait until it is declared up."""
    _declare(ctx.obj, name, "down", why, dry_run=dry_run)


@app.command()
def up(ctx: typer.Context, name: Name, why: WhyOption = "", dry_run: DryRunOption = False) -> None:
    """Declare a provider up: its tasks resume, few at first."""
    _declare(ctx.obj, name, "up", why, dry_run=dry_run)


def _declare(terminal: Terminal, name: str, verb: str, why: str, *, dry_run: bool) -> None:
    if dry_run:
        terminal.note(f"Would declare {name} {verb}.")
        return
    told = terminal.api.call("POST", f"/v1/providers/{segment(name)}/{verb}", query={"why": why or None})
    terminal.note(f"The provider {name} is {told['state']}.")
