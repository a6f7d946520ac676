"""``serai me``: whom the platform takes you for."""

from __future__ import annotations

import typer

from serai.cli.terminal import Terminal
from serai.services.terminal import JsonOption

app = typer.Typer()


@app.command()
def me(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """Show who you are to the platform, and what you may where."""
    terminal: Terminal = ctx.obj
    told = terminal.api.call("GET", "/v1/me")
    lines = [f"who: {told['who']}", *([f"user: {told['user']}"] if told["user"] else [])]
    lines += [
        f"{one['role']} of " + ("/".join(filter(None, (one.get("tenant"), one.get("app")))) or "the platform")
        for one in told["grants"]
    ]
    lines += [f"factor: {one}" for one in told["factors"]]
    terminal.result(told, "\n".join(lines), as_json=as_json)
