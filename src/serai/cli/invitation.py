"""Invitations: a role that waits for the person with an address."""

from __future__ import annotations

from typing import Annotated

import typer

from serai.api.client import segment
from serai.cli.common import Where, place_of
from serai.cli.terminal import Terminal
from serai.services.terminal import DryRunOption, JsonOption, change, when

app = typer.Typer(name="invitation", help="Invitations that were not taken up yet.", no_args_is_help=True)
invite_app = typer.Typer()


@invite_app.command()
def invite(
    ctx: typer.Context,
    email: Annotated[str, typer.Argument(help="Their address: it is for them alone.")],
    role: Annotated[
        str, typer.Option(help="What they will be: owner, developer, viewer, billing, a role of your own.")
    ],
    tenant: Where = None,
    only: Annotated[str, typer.Option("--app", help="Only this app of the tenant.")] = "",
    as_json: JsonOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Invite somebody and print the link that you send them: it is not shown again."""
    terminal: Terminal = ctx.obj
    where = place_of(terminal, tenant)
    body = {"email": email, "role": role, "app": only}
    path = f"/v1/invitations/{segment(where)}"
    made = change(terminal, f"invite {email} as {role} of {where}", "POST", path, body, dry_run=dry_run)
    if made is not None:
        made["link"] = terminal.url(made["link"])
        terminal.note("`serai accept` takes the link, too.")
        terminal.result(made, made["link"], as_json=as_json)


@app.command("list")
def list_(ctx: typer.Context, tenant: Where = None, as_json: JsonOption = False) -> None:
    """List invitations that wait; never their links."""
    terminal: Terminal = ctx.obj
    rows = list(terminal.api.pages(f"/v1/invitations/{segment(place_of(terminal, tenant))}", {"limit": 1000}))
    shown = rows if as_json else [{**row, "expires": when(row["expires"])} for row in rows]
    terminal.table(shown, ("name", "email", "role", "app", "expires"), as_json=as_json)


@app.command()
def withdraw(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="The invitation's name, as the list has it.")],
    tenant: Where = None,
    dry_run: DryRunOption = False,
) -> None:
    """Withdraw an invitation: its link opens nothing any more."""
    terminal: Terminal = ctx.obj
    path = f"/v1/invitations/{segment(place_of(terminal, tenant))}/{segment(name)}"
    if change(terminal, f"withdraw the invitation {name}", "DELETE", path, dry_run=dry_run) is not None:
        terminal.note("It is withdrawn.")
