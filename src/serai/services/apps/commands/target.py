"""The app that a command is about, and the one way in which commands ask for changes of it."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from serai.errors import SeraiError
from serai.services.paths import segment
from serai.services.terminal import Parameters, Terminal

#: The environment that is meant where none is named; `descriptors` would bring the whole store along.
PROD = "prod"

To = Annotated[str, typer.Option("--to", help="The environment that shows it.")]
Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="Return when it is done, or at once.")]


def complete_app(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return names of apps that begin so; silent where the platform does not answer."""
    terminal: Terminal | None = ctx.find_root().obj
    if terminal is None:
        return []
    try:
        path = f"/v1/apps/{segment(terminal.tenant(ctx.params.get('tenant')))}"
        items = terminal.api.call("GET", path, query={"limit": 1000})["items"]
    except SeraiError:
        return []
    return [item["name"] for item in items if item["name"].startswith(incomplete)]


AppName = Annotated[str, typer.Argument(metavar="APP", help="The app's name.", autocompletion=complete_app)]


class Target:
    """An app of a tenant, as the API knows it."""

    def __init__(self, ctx: typer.Context, app: str, tenant: str | None) -> None:
        self.terminal: Terminal = ctx.obj
        self.tenant = self.terminal.tenant(tenant)
        self.app = app

    def path(self, *parts: str | int) -> str:
        """Return a path of the API below the app's own."""
        return "/".join(["/v1/apps", *(segment(str(part)) for part in (self.tenant, self.app, *parts))])

    def read(self, *parts: str | int, query: Parameters | None = None) -> Any:
        """Return what the API says there."""
        return self.terminal.api.call("GET", self.path(*parts), query=query)

    def change(
        self, would: str, method: str, *parts: str | int, body: Any = None, query: Parameters | None = None,
        dry_run: bool,
    ) -> Any:  # fmt: skip
        """Ask for a change and return the answer; None on a dry run, which says what ``would`` happen instead."""
        if dry_run:
            self.terminal.note(f"Would {would}.")
            return None
        return self.terminal.api.call(method, self.path(*parts), body, query) or {}
