"""Profiles: the platforms elsewhere that `serai login` knows."""

from __future__ import annotations

from typing import Annotated

import typer

from serai.cli import profiles
from serai.cli.terminal import Terminal
from serai.services.terminal import DryRunOption, JsonOption

app = typer.Typer(name="profile", help="Platforms elsewhere that you are signed in to.", no_args_is_help=True)

HERE = "-"  # this machine


@app.command("list")
def list_(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """List profiles; never their tokens."""
    terminal: Terminal = ctx.obj
    known = profiles.load()
    rows = [
        {"name": name, "url": one.url, "login": one.login, "current": name == known.current}
        for name, one in sorted(known.profiles.items())
    ]
    terminal.table(rows, ("name", "url", "login", "current"), as_json=as_json, empty="None: `serai login URL`.")


@app.command()
def use(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="Its name; «-» is this machine.")],
    dry_run: DryRunOption = False,
) -> None:
    """Let all commands be about that platform, unless they name another."""
    terminal: Terminal = ctx.obj
    known = profiles.load()
    url = "this machine" if name == HERE else known.get(name).url
    if dry_run:
        terminal.note(f"Would use {url}.")
        return
    known.current = "" if name == HERE else name
    profiles.save(known)
    terminal.note(f"Commands are about {url} now.")
