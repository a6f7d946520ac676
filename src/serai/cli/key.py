"""The key that seals secrets at rest."""

from __future__ import annotations

import typer

from serai.cli.terminal import Terminal
from serai.services.terminal import DryRunOption, JsonOption, change

app = typer.Typer(name="key", help="The key that seals secrets at rest.", no_args_is_help=True)


@app.command()
def rotate(ctx: typer.Context, as_json: JsonOption = False, dry_run: DryRunOption = False) -> None:
    """Make a new key, and seal everything with it; the old ones stay in the key file and open what is past."""
    terminal: Terminal = ctx.obj
    told = change(terminal, "make a new key and seal everything anew", "POST", "/v1/keys/rotate", dry_run=dry_run)
    if told is not None:
        terminal.result(told, f"{told['sealed']} secrets are sealed with the new key.", as_json=as_json)
