"""``serai release``: an app's versions."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from serai.services.apps.commands.deploy import follow
from serai.services.apps.commands.target import PROD, AppName, Target, To, Wait
from serai.services.terminal import DryRunOption, JsonOption, TenantOption

releases = typer.Typer(
    name="release", help="An app's versions: list, promote, roll back, delete.", no_args_is_help=True
)

Number = Annotated[int, typer.Argument(min=1, help="Which release.")]


@releases.command("list")
def list_releases(ctx: typer.Context, app: AppName, tenant: TenantOption = None, as_json: JsonOption = False) -> None:
    """List an app's releases, newest first."""
    target = Target(ctx, app, tenant)
    columns = ("number", "state", "live", "runtime", "title", "reason")
    target.terminal.table(target.read("releases")["items"], columns, as_json=as_json)


@releases.command("show")
def show_release(
    ctx: typer.Context, app: AppName, number: Number, tenant: TenantOption = None, as_json: JsonOption = False
) -> None:
    """Show a release; a failed one with the end of its log."""
    target = Target(ctx, app, tenant)
    told = target.read("releases", number)
    created = datetime.fromtimestamp(told["created"], UTC).isoformat(timespec="seconds")
    people = {**told, "created": created, "live": ", ".join(told["live"]), "notes": " ".join(told["notes"])}
    people["git"] = " ".join(part for part in (told["git"] or {}).values() if part)
    lines = [f"{key}: {value}" for key, value in people.items() if key != "tail" and value not in ("", None)]
    target.terminal.result(told, "\n".join([*lines, told["tail"]]).rstrip(), as_json=as_json)


@releases.command()
def promote(
    ctx: typer.Context,
    app: AppName,
    number: Number,
    to: To = PROD,
    tenant: TenantOption = None,
    wait: Wait = True,
    dry_run: DryRunOption = False,
) -> None:
    """Make a release live in an environment."""
    body = {"release": number, "environment": to}
    _go_live(Target(ctx, app, tenant), "promote", body, wait=wait, dry_run=dry_run)


@releases.command()
def rollback(
    ctx: typer.Context,
    app: AppName,
    to: To = PROD,
    tenant: TenantOption = None,
    wait: Wait = True,
    dry_run: DryRunOption = False,
) -> None:
    """Make the release live that was live before."""
    _go_live(Target(ctx, app, tenant), "rollback", {"environment": to}, wait=wait, dry_run=dry_run)


@releases.command("delete")
def delete_release(
    ctx: typer.Context,
    app: AppName,
    number: Number,
    tenant: TenantOption = None,
    wait: Wait = True,
    dry_run: DryRunOption = False,
) -> None:
    """Delete a release that no environment shows; it is kept for 7 days, and the app's data for good."""
    target = Target(ctx, app, tenant)
    told = target.change(f"delete release {number} of {app}", "DELETE", "releases", number, dry_run=dry_run)
    if told:
        if wait:
            target.terminal.follow(told["tasks"], f"Deleting release {number} of {app}")
        target.terminal.note(f"Release {number} of {app} is deleted.")


def _go_live(target: Target, verb: str, body: dict[str, Any], *, wait: bool, dry_run: bool) -> None:
    would = f"{verb} {target.app} ({body['environment']})"
    told = target.change(would, "POST", verb, body=body, dry_run=dry_run)
    if told:
        if wait:
            follow(target, told, "Switching")
        target.terminal.result(told, target.terminal.url(told["url"]))
