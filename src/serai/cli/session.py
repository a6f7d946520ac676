"""Sessions: where a user is signed in with a browser."""

from __future__ import annotations

from typing import Annotated

import typer

from serai.api.client import segment
from serai.cli.terminal import Terminal
from serai.services.terminal import DryRunOption, JsonOption, change, when

app = typer.Typer(name="session", help="Browsers that are signed in.", no_args_is_help=True)

User = Annotated[str, typer.Option("--user", help="Somebody else's, for who looks after users.")]


@app.command("list")
def list_(ctx: typer.Context, user: User = "", as_json: JsonOption = False) -> None:
    """List your sessions, or a user's."""
    terminal: Terminal = ctx.obj
    path = f"/v1/users/{segment(user)}/sessions" if user else "/v1/sessions"
    rows = terminal.api.call("GET", path)["items"]
    shown = rows if as_json else [{**row, **{key: when(row[key]) for key in ("created", "expires")}} for row in rows]
    terminal.table(shown, ("name", "created", "expires", "address", "browser", "strong"), as_json=as_json)


@app.command()
def end(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="The session's name, as the list has it.")],
    user: User = "",
    dry_run: DryRunOption = False,
) -> None:
    """End a session: its browser has to sign in again."""
    terminal: Terminal = ctx.obj
    path = f"/v1/users/{segment(user)}/sessions" if user else f"/v1/sessions/{segment(name)}"
    query = {"session": name} if user else None
    if change(terminal, f"end the session {name}", "DELETE", path, query=query, dry_run=dry_run) is not None:
        terminal.note("The session has ended.")
