"""How much of a tenant, a channel or a provider may run: list, set, end."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from serai.api.client import segment
from serai.cli.terminal import Terminal
from serai.errors import InvalidError
from serai.services.terminal import DryRunOption, JsonOption

app = typer.Typer(name="limit", help="How much may run at once, and how often.", no_args_is_help=True)


class Scope(StrEnum):
    """What a limit is on."""

    tenant = "tenant"
    channel = "channel"
    provider = "provider"


What = Annotated[Scope, typer.Argument(help="What the limit is on.")]
Name = Annotated[str, typer.Argument(help="The tenant's, channel's or provider's name.")]
Why = Annotated[str, typer.Option("--why", help="Why, for those who ask.")]


@app.command("list")
def list_(
    ctx: typer.Context,
    tenant: Annotated[str | None, typer.Option("--tenant", help="Only what touches this tenant.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List the limits in force."""
    terminal: Terminal = ctx.obj
    rows = terminal.api.call("GET", "/v1/limits", query={"tenant": tenant})["items"]
    terminal.table(rows, ("scope", "name", "most", "rate", "per", "running", "who", "why"), as_json=as_json)


@app.command("set")
def set_(
    ctx: typer.Context,
    what: What,
    name: Name,
    *,
    most: Annotated[int | None, typer.Option(min=0, help="Tasks that run at once.")] = None,
    rate: Annotated[str | None, typer.Option(help="Tasks that may start, such as 100/m, 5/s or 1000/h.")] = None,
    burst: Annotated[float, typer.Option(min=0, help="Of them at once; 0: what comes in a second.")] = 0.0,
    why: Why = "",
    dry_run: DryRunOption = False,
) -> None:
    """Set a limit in place of the one before."""
    terminal: Terminal = ctx.obj
    if most is None and rate is None:
        raise InvalidError("Say --most or --rate.", path="most")
    body: dict[str, Any] = {"most": most, "burst": burst, **(read_rate(rate) if rate else {})}
    if dry_run:
        terminal.note(f"Would set {body} on the {what} {name}.")
        return
    terminal.api.call("PUT", f"/v1/limits/{what}/{segment(name)}", body, query={"why": why or None})
    terminal.note(f"The limit on the {what} {name} holds.")


@app.command()
def end(ctx: typer.Context, what: What, name: Name, why: Why = "", dry_run: DryRunOption = False) -> None:
    """End a limit."""
    terminal: Terminal = ctx.obj
    if dry_run:
        terminal.note(f"Would end the limit on the {what} {name}.")
        return
    terminal.api.call("DELETE", f"/v1/limits/{what}/{segment(name)}", query={"why": why or None})
    terminal.note(f"There is no limit on the {what} {name} now.")


def read_rate(text: str) -> dict[str, float]:
    """Return ``{"rate", "per"}`` of a text such as 100/m."""
    number, _, unit = text.partition("/")
    per = {"": 60.0, "s": 1.0, "m": 60.0, "h": 3600.0}.get(unit)
    try:
        rate = float(number)
    except ValueError:
        rate = -1.0
    if per is None or not 0 < rate <= 1e9:
        raise InvalidError("A rate is a number and a unit, such as 100/m, 5/s or 1000/h.", path="rate")
    return {"rate": rate, "per": per}
