"""``serai app``: show, scale, restart, delete."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer

from serai.errors import InvalidError
from serai.services.apps.commands.target import PROD, AppName, Target, Wait
from serai.services.paths import segment
from serai.services.terminal import DryRunOption, JsonOption, TenantOption, Terminal

MOST = 1000  # lines that can be asked for
PAUSE = 0.3  # seconds until a stream that ended is asked for anew

apps = typer.Typer(name="app", help="Programs: show, scale, configure, delete.", no_args_is_help=True)


@apps.command("list")
def list_apps(ctx: typer.Context, tenant: TenantOption = None, as_json: JsonOption = False) -> None:
    """List a tenant's apps."""
    terminal: Terminal = ctx.obj
    path = f"/v1/apps/{segment(terminal.tenant(tenant))}"
    items = terminal.api.call("GET", path, query={"limit": 1000})["items"]
    rows = items if as_json else [{**item, "url": _main_url(terminal, item)} for item in items]
    terminal.table(rows, ("name", "live", "scale", "url"), as_json=as_json, empty="There is no app yet.")


@apps.command("show")
def show_app(ctx: typer.Context, app: AppName, tenant: TenantOption = None, as_json: JsonOption = False) -> None:
    """Show an app: what is live, where it answers, how its instances do."""
    target = Target(ctx, app, tenant)
    terminal, told = target.terminal, target.read()
    told["urls"] = {key: terminal.url(value) for key, value in told["urls"].items()}
    if as_json:
        terminal.result(told, as_json=True)
        return
    lines = [f"{told['name']} of {told['tenant']} on {told['host']}"]
    lines += [f"{name}: release {told['live'][name]} at {url}" for name, url in told["urls"].items()]
    lines += [f"domain: {one['host']} ({one['environment']})" for one in told["domains"]]
    lines += [f"variables: {', '.join(told['variables'])}"] if told["variables"] else []
    terminal.result(told, "\n".join(lines))
    terminal.table(told["instances"], ("name", "wanted", "state", "restarts", "reason"), empty="No instance runs.")


@apps.command("logs")
def read_logs(
    ctx: typer.Context,
    app: AppName,
    tenant: TenantOption = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what is written next.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, max=MOST, help="How many to begin with.")] = 100,
    name: Annotated[str, typer.Option(help="Only instances whose names begin so; build.3 is a build's log.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Print what an app's instances wrote."""
    target = Target(ctx, app, tenant)
    query: dict[str, str | int | bool | None] = {"follow": follow, "lines": lines, "name": name}
    for line in _lines(target, query):
        target.terminal.result(line, None if as_json else f"{line['instance']}  {_readable(line['text'])}")


@apps.command()
def scale(
    ctx: typer.Context,
    app: AppName,
    count: Annotated[int, typer.Argument(min=0, max=100, help="How many instances.")],
    process: Annotated[str, typer.Option(help="Of which process.")] = "web",
    tenant: TenantOption = None,
    dry_run: DryRunOption = False,
) -> None:
    """Say how many instances of a process run."""
    target, body = Target(ctx, app, tenant), {"count": count, "process": process}
    if target.change(f"run {count} of {process} of {app}", "POST", "scale", body=body, dry_run=dry_run):
        target.terminal.note(f"{app}: {count} of {process}.")


@apps.command()
def restart(
    ctx: typer.Context, app: AppName, tenant: TenantOption = None, wait: Wait = True, dry_run: DryRunOption = False
) -> None:
    """Renew the instances one after the other, without a request lost."""
    target = Target(ctx, app, tenant)
    told = target.change(f"restart {app}", "POST", "restart", dry_run=dry_run)
    if told and wait:
        target.terminal.follow(told["tasks"], f"Restarting {app}")


@apps.command("delete")
def delete_app(
    ctx: typer.Context,
    app: AppName,
    confirm: Annotated[str, typer.Option(help="The app's name once more.")] = "",
    data: Annotated[bool, typer.Option("--data", help="Delete its data folder, too.")] = False,
    tenant: TenantOption = None,
    dry_run: DryRunOption = False,
) -> None:
    """Delete an app with its releases and domains; its data folder stays unless --data."""
    target = Target(ctx, app, tenant)
    if confirm != app and not dry_run:
        raise InvalidError(f"Say --confirm {app} to delete it.", path="confirm")
    would = f"delete {app} of {target.tenant}{' and its data' if data else ''}"
    told = target.change(would, "DELETE", query={"confirm": confirm, "data": data}, dry_run=dry_run)
    if told:
        target.terminal.follow(told["tasks"], f"Deleting {app}")
        target.terminal.note(f"{app} is deleted{' with its data' if data else ''}.")


def _readable(line: str) -> str:
    """Return a line of a log without what only programs want: its stream, and whether it goes on in the next."""
    head = line.split(" ", 3)
    return f"{head[0]}  {head[3]}" if len(head) == 4 and head[1] in {"stdout", "stderr"} else line


def _main_url(terminal: Terminal, app: dict[str, Any]) -> str:
    url = app["urls"].get(PROD)
    return terminal.url(url) if url else ""


def _lines(target: Target, query: dict[str, str | int | bool | None]) -> Iterator[Mapping[str, Any]]:
    seen: dict[str, str] = {}  # by instance the time, with which each line begins, of the last one
    again = 0  # lines that a new stream begins with, and that may have been in the one before
    while True:
        for number, line in enumerate(target.terminal.api.stream(target.path("logs"), query)):
            when = line["text"].partition(" ")[0]
            if number >= again or when > seen.get(line["instance"], ""):
                seen[line["instance"]] = when
                yield line
        if not query["follow"]:
            return
        # It ends early where the API is being replaced: ask the next one, from where this one left off.
        again = MOST
        query = {**query, "lines": MOST}
        time.sleep(PAUSE)
