"""``serai app domain``: host names of a tenant's own."""

from __future__ import annotations

from typing import Annotated

import typer

from serai.services.apps.commands.target import PROD, AppName, Target, To
from serai.services.terminal import DryRunOption, JsonOption, TenantOption

domains = typer.Typer(name="domain", help="Host names of your own that lead to an app.", no_args_is_help=True)

HostName = Annotated[str, typer.Argument(metavar="HOST", help="The host name.")]


@domains.command("list")
def list_domains(ctx: typer.Context, app: AppName, tenant: TenantOption = None, as_json: JsonOption = False) -> None:
    """List the host names that lead to an app."""
    target = Target(ctx, app, tenant)
    target.terminal.table(target.read("domains"), ("host", "environment"), as_json=as_json)


@domains.command("add")
def add_domain(
    ctx: typer.Context, app: AppName, host: HostName, to: To = PROD, tenant: TenantOption = None,
    dry_run: DryRunOption = False,
) -> None:  # fmt: skip
    """Let a host name lead to an app."""
    target = Target(ctx, app, tenant)
    would = f"lead {host} to {app}"
    if target.change(would, "PUT", "domains", host, body={"environment": to}, dry_run=dry_run):
        target.terminal.note(f"{host} leads to {app}.")


@domains.command("remove")
def remove_domain(
    ctx: typer.Context, app: AppName, host: HostName, tenant: TenantOption = None, dry_run: DryRunOption = False
) -> None:
    """Let a host name lead nowhere."""
    target = Target(ctx, app, tenant)
    if target.change(f"lead {host} nowhere", "DELETE", "domains", host, dry_run=dry_run) is not None:
        target.terminal.note(f"{host} leads nowhere.")
