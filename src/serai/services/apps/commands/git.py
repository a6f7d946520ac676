"""``serai app git``: the deploy token with which the platform fetches an app's private repository."""

from __future__ import annotations

from typing import Annotated

import typer

from serai.services.apps.commands.target import AppName, Target
from serai.services.asking import ask
from serai.services.terminal import DryRunOption, JsonOption, TenantOption

gits = typer.Typer(name="git", help="The token that fetches an app's private repository.", no_args_is_help=True)


@gits.command("show")
def show_git(ctx: typer.Context, app: AppName, tenant: TenantOption = None, as_json: JsonOption = False) -> None:
    """Print for which host an app has a deploy token; the token itself is shown to nobody."""
    target = Target(ctx, app, tenant)
    told = target.read("git")
    target.terminal.result(told, f"{told['host']} as {told['username']}", as_json=as_json)


@gits.command("set")
def set_git(
    ctx: typer.Context,
    app: AppName,
    host: Annotated[str, typer.Argument(metavar="HOST|URL", help="The git server that it is for, and no other.")],
    username: Annotated[str, typer.Option(help="The name that the server wants with it.")] = "git",
    tenant: TenantOption = None,
    dry_run: DryRunOption = False,
) -> None:
    """Give an app a deploy token, asked for or read from stdin; the one before is forgotten."""
    target, host = Target(ctx, app, tenant), host.removeprefix("https://").partition("/")[0]
    body = {"host": host, "username": username, "token": "" if dry_run else ask("Token")}
    if target.change(f"give {app} a deploy token for {host}", "PUT", "git", body=body, dry_run=dry_run):
        target.terminal.note(f"{app} has a deploy token for {host}.")


@gits.command("unset")
def unset_git(ctx: typer.Context, app: AppName, tenant: TenantOption = None, dry_run: DryRunOption = False) -> None:
    """Forget an app's deploy token."""
    Target(ctx, app, tenant).change(f"forget the deploy token of {app}", "DELETE", "git", dry_run=dry_run)
