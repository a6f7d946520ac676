"""API tokens: ways for programs to act for a user."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer

from serai.api.client import segment
from serai.cli.common import Where, place_of
from serai.cli.terminal import Terminal
from serai.services.paths import PLATFORM
from serai.services.terminal import DryRunOption, JsonOption, change, when

app = typer.Typer(name="token", help="What programs show to act for a user.", no_args_is_help=True)

DAY = 86400  # seconds

Name = Annotated[str, typer.Argument(help="The token's name.")]
Many = list[str] | None


@app.command("list")
def list_(
    ctx: typer.Context,
    tenant: Where = None,
    mine: Annotated[bool, typer.Option("--mine", help="Your own, of all tenants.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List tokens, and when each was last used; never the tokens themselves."""
    terminal: Terminal = ctx.obj
    path = "/v1/me/tokens" if mine else f"/v1/tokens/{segment(place_of(terminal, tenant))}"
    rows = terminal.api.call("GET", path)["items"]
    columns = ("tenant", "name", "user", "title", "scope", "expires", "used", "used_from")
    terminal.table(rows if as_json else [_row(row) for row in rows], columns, as_json=as_json)


@app.command()
def make(
    ctx: typer.Context,
    name: Name,
    *,
    tenant: Where = None,
    only: Annotated[str, typer.Option("--app", help="For this app alone.")] = "",
    kind: Annotated[Many, typer.Option(help="For this kind of thing alone. Repeat it.")] = None,
    action: Annotated[Many, typer.Option(help="For this action alone, such as app.deploy. Repeat it.")] = None,
    named: Annotated[
        Many, typer.Option("--only", help="For what has this name alone; * at its end. Repeat it.")
    ] = None,
    network: Annotated[Many, typer.Option("--from", help="From these addresses alone, such as 192.0.2.0/24.")] = None,
    days: Annotated[int, typer.Option(min=0, max=3650, help="How long it lasts; 0 is for ever.")] = 365,
    user: Annotated[str, typer.Option(help="For whom it acts, where that is not you.")] = "",
    title: Annotated[str, typer.Option(help="What it is for.")] = "",
    as_json: JsonOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Make a token and print it, alone on stdout: it is not shown again."""
    terminal: Terminal = ctx.obj
    where = place_of(terminal, tenant)
    body: dict[str, Any] = {
        "name": name,
        "app": only,
        "kinds": kind,
        "actions": action,
        "names": named,
        "networks": network,
    }
    body |= {"user": user, "title": title, "expires": time.time() + days * DAY if days else 0}
    given = {key: value for key, value in body.items() if value}
    path = f"/v1/tokens/{segment(where)}"
    made = change(terminal, f"make the token {name} in {where}", "POST", path, given, dry_run=dry_run)
    if made is not None:
        terminal.result(made, made["token"], as_json=as_json)


@app.command()
def end(
    ctx: typer.Context,
    name: Name,
    tenant: Where = None,
    mine: Annotated[bool, typer.Option("--mine", help="It is your own, whoever may see the tenant's.")] = False,
    dry_run: DryRunOption = False,
) -> None:
    """End a token: whoever shows it is nobody from now on."""
    terminal: Terminal = ctx.obj
    where = (tenant or PLATFORM) if mine else place_of(terminal, tenant)
    path = f"/v1/{'me/tokens' if mine else 'tokens'}/{segment(where)}/{segment(name)}"
    if change(terminal, f"end the token {name}", "DELETE", path, dry_run=dry_run) is not None:
        terminal.note(f"The token {name} has ended.")


def _row(line: dict[str, Any]) -> dict[str, Any]:
    scope = {key: value for key, value in line["scope"].items() if value and key != "tenant"}
    times = {key: when(line[key]) for key in ("expires", "used")}
    return {**line, **times, "tenant": line["tenant"] or PLATFORM, "scope": scope}
