"""Members: what users may do in a tenant, or in one app of it."""

from __future__ import annotations

from typing import Annotated

import typer

from serai.api.client import descriptor
from serai.cli.common import Login, Where, place_of, tenant_query
from serai.cli.terminal import Terminal
from serai.services.terminal import DryRunOption, JsonOption, change

app = typer.Typer(name="member", help="What users may do where.", no_args_is_help=True)

AppOption = Annotated[str, typer.Option("--app", help="Only this app of the tenant.")]


@app.command("list")
def list_(ctx: typer.Context, tenant: Where = None, as_json: JsonOption = False) -> None:
    """List the members of a tenant."""
    terminal: Terminal = ctx.obj
    where = place_of(terminal, tenant)
    items = terminal.api.pages("/v1/member", {"tenant": tenant_query(where), "limit": 1000})
    rows = []
    for item in items:
        login, _, only = item["name"].partition(":")
        rows.append({"login": login, "app": only, "role": item["spec"]["role"]})
    terminal.table(rows, ("login", "app", "role"), as_json=as_json)


@app.command("set")
def set_(
    ctx: typer.Context,
    login: Login,
    role: Annotated[str, typer.Argument(help="operator, owner, developer, viewer, billing, or a role of your own.")],
    tenant: Where = None,
    only: AppOption = "",
    dry_run: DryRunOption = False,
) -> None:
    """Give a user a role, in the place of the one they had."""
    terminal: Terminal = ctx.obj
    where = place_of(terminal, tenant)
    path = descriptor("member", where, f"{login}:{only}" if only else login)
    if change(terminal, f"make {login} {role} of {where}", "PUT", path, {"role": role}, dry_run=dry_run) is not None:
        terminal.note(f"{login} is {role} now.")


@app.command()
def remove(
    ctx: typer.Context, login: Login, tenant: Where = None, only: AppOption = "", dry_run: DryRunOption = False
) -> None:
    """Take a user's role away; the next request that it allowed is refused."""
    terminal: Terminal = ctx.obj
    where = place_of(terminal, tenant)
    name = f"{login}:{only}" if only else login
    path, query = descriptor("member", where, name), {"confirm": name}
    if change(terminal, f"remove {login} from {where}", "DELETE", path, query=query, dry_run=dry_run) is not None:
        terminal.note(f"{login} has no role there now.")
