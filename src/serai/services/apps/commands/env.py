"""``serai app env``: what an app's processes are told."""

from __future__ import annotations

from typing import Annotated

import typer

from serai.errors import InvalidError
from serai.services.apps.commands.target import AppName, Target, Wait
from serai.services.terminal import DryRunOption, JsonOption, TenantOption

#: Stands for a value; the API says null.
HIDDEN = "«set, hidden»"

envs = typer.Typer(name="env", help="An app's environment variables.", no_args_is_help=True)


@envs.command("list")
def list_env(ctx: typer.Context, app: AppName, tenant: TenantOption = None, as_json: JsonOption = False) -> None:
    """Print an app's variables; values only of those that were set with --plain."""
    target = Target(ctx, app, tenant)
    told = target.read("env")
    lines = (f"{key}={HIDDEN if value is None else value}" for key, value in sorted(told.items()))
    target.terminal.result(told, "\n".join(lines), as_json=as_json)


@envs.command("set")
def set_env(
    ctx: typer.Context,
    app: AppName,
    pairs: Annotated[list[str], typer.Argument(metavar="KEY=VALUE…", help="KEY=- reads the value from stdin.")],
    plain: Annotated[bool, typer.Option("--plain", help="They are no secrets: `list` shows them.")] = False,
    tenant: TenantOption = None,
    wait: Wait = True,
    dry_run: DryRunOption = False,
) -> None:
    """Set variables, which nobody is shown again; running instances are renewed without a request lost."""
    values: dict[str, str | None] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise InvalidError("A variable is set by KEY=VALUE.", path=key[:64])
        values[key] = typer.get_text_stream("stdin").read() if value == "-" else value
    _change(Target(ctx, app, tenant), values, plain=plain, wait=wait, dry_run=dry_run)


@envs.command("unset")
def unset_env(
    ctx: typer.Context,
    app: AppName,
    keys: Annotated[list[str], typer.Argument(metavar="KEY…")],
    tenant: TenantOption = None,
    wait: Wait = True,
    dry_run: DryRunOption = False,
) -> None:
    """Take variables away."""
    _change(Target(ctx, app, tenant), dict.fromkeys(keys), wait=wait, dry_run=dry_run)


def _change(target: Target, values: dict[str, str | None], *, plain: bool = False, wait: bool, dry_run: bool) -> None:
    would = f"change {', '.join(sorted(values))} of {target.app}"
    told = target.change(would, "PATCH", "env", body={"values": values, "plain": plain}, dry_run=dry_run)
    if told and wait and told["tasks"]:
        target.terminal.follow(told["tasks"], f"Renewing {target.app}")
