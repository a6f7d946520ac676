"""What recurs: list, show, put, delete, pause, resume, run now."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import typer

from serai.api.client import segment
from serai.cli.task import TenantFilter, when
from serai.cli.task_run import parse, values
from serai.cli.terminal import Terminal
from serai.errors import InvalidError
from serai.services.terminal import DryRunOption, JsonOption, TenantOption

app = typer.Typer(name="schedule", help="Tasks that recur.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The schedule's name, as `schedule list` shows it.")]
COLUMNS = ("tenant", "name", "when", "zone", "missed", "paused", "function", "next")


@app.command("list")
def list_(ctx: typer.Context, tenant: TenantFilter = None, as_json: JsonOption = False) -> None:
    """List what recurs, and when it is due next."""
    terminal: Terminal = ctx.obj
    rows = list(terminal.api.pages("/v1/schedules", {"tenant": tenant}))
    terminal.table(rows if as_json else [_row(one) for one in rows], COLUMNS, as_json=as_json)


@app.command()
def show(ctx: typer.Context, name: Name, tenant: TenantOption = None, as_json: JsonOption = False) -> None:
    """Show a schedule."""
    terminal: Terminal = ctx.obj
    told = terminal.api.call("GET", _path(terminal.tenant(tenant), name))
    terminal.result(told, "\n".join(f"{key}: {value}" for key, value in _row(told).items()), as_json=as_json)


@app.command("put")
def put(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="Its name within the app: letters, digits, - and _.")],
    when_: Annotated[str, typer.Argument(metavar="WHEN", help="Five cron fields, @daily, or «every 15m».")],
    function: Annotated[str, typer.Argument(help="module:function, or the program with --command.")],
    words: Annotated[list[str] | None, typer.Argument(help="KEY=VALUE…, or the command's words.")] = None,
    *,
    app_name: Annotated[str, typer.Option("--app", help="The app whose work it is.")],
    tenant: TenantOption = None,
    command: Annotated[bool, typer.Option("--command", help="FUNCTION and the words are a command.")] = False,
    arguments: Annotated[str | None, typer.Option(help="All arguments as JSON.")] = None,
    zone: Annotated[str, typer.Option(help="The time zone, such as Europe/Berlin.")] = "UTC",
    missed: Annotated[str, typer.Option(help="What was missed while nobody ran: once or never.")] = "once",
    busy: Annotated[
        str, typer.Option(help="What is due while the last one is not over: wait for it, or skip.")
    ] = "wait",
    channel: Annotated[str, typer.Option(help="Its runs wait for others of this channel.")] = "",
    priority: Annotated[int, typer.Option(min=-1000, max=1000)] = 0,
    provider: Annotated[str, typer.Option(help="The remote party that it depends on.")] = "",
    deadline: Annotated[float, typer.Option(help="Seconds that one may run.")] = 600.0,
    retries: Annotated[int, typer.Option(min=0, max=1000)] = 0,
    dry_run: DryRunOption = False,
) -> None:
    """Let a function or a command of an app recur, in place of what had this name."""
    terminal: Terminal = ctx.obj
    if missed not in {"once", "never"}:
        raise InvalidError("What was missed runs once or never.", path="missed")
    if busy not in {"wait", "skip"}:
        raise InvalidError("What is due while the last one is not over waits for it, or is skipped.", path="busy")
    body: dict[str, Any] = {
        "when": when_, "zone": zone, "missed": missed, "busy": busy, "channel": channel, "priority": priority,
        "deadline": deadline, "retries": retries, "provider": provider,
    }  # fmt: skip
    if command:
        body |= {"argv": [function, *(words or [])], "arguments": None if arguments is None else parse(arguments)}
    else:
        body |= {"call": function, "kwargs": values(words or [], arguments)}
    if dry_run:
        terminal.note(f"Would let {name} of {app_name} recur: {body}.")
        return
    path = f"/v1/apps/{segment(terminal.tenant(tenant))}/{segment(app_name)}/schedules/{segment(name)}"
    told = terminal.api.call("PUT", path, body)
    terminal.note(f"{app_name}.task.{name} is due next at {_time(told['next'])}.")


@app.command()
def delete(ctx: typer.Context, name: Name, tenant: TenantOption = None, dry_run: DryRunOption = False) -> None:
    """Let something recur no more."""
    terminal: Terminal = ctx.obj
    owner = terminal.tenant(tenant)
    app_name, dot, own = name.partition(".task.")
    if not dot:
        raise InvalidError(f"{name} is not an app's own: app.toml or the platform has it.", path="name")
    if dry_run:
        terminal.note(f"Would delete the schedule {name}.")
        return
    terminal.api.call("DELETE", f"/v1/apps/{segment(owner)}/{segment(app_name)}/schedules/{segment(own)}")
    terminal.note(f"The schedule {name} is gone.")


@app.command()
def pause(ctx: typer.Context, name: Name, tenant: TenantOption = None, dry_run: DryRunOption = False) -> None:
    """Insert nothing for a schedule until it is resumed."""
    _set(ctx.obj, name, tenant, "pause", dry_run=dry_run)


@app.command()
def resume(ctx: typer.Context, name: Name, tenant: TenantOption = None, dry_run: DryRunOption = False) -> None:
    """Let a paused schedule recur again."""
    _set(ctx.obj, name, tenant, "resume", dry_run=dry_run)


@app.command("run-now")
def run_now(
    ctx: typer.Context, name: Name, tenant: TenantOption = None, dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Run a schedule's task now, whatever the time, and print its ID."""
    terminal: Terminal = ctx.obj
    path = _path(terminal.tenant(tenant), name)
    if dry_run:
        terminal.note(f"Would run {terminal.api.call('GET', path)['function']} now.")
        return
    told = terminal.api.call("POST", f"{path}/run")
    terminal.result(told, told["id"], as_json=as_json)


def _set(terminal: Terminal, name: str, tenant: str | None, verb: Literal["pause", "resume"], *, dry_run: bool) -> None:
    path = _path(terminal.tenant(tenant), name)
    if dry_run:
        terminal.note(f"Would {verb} the schedule {name}.")
        return
    told = terminal.api.call("POST", f"{path}/{verb}")
    terminal.note(f"The schedule {name} is {'paused' if told['paused'] else 'due next at ' + _time(told['next'])}.")


def _path(tenant: str, name: str) -> str:
    return f"/v1/schedules/{segment(tenant)}/{segment(name)}"


def _row(told: dict[str, Any]) -> dict[str, Any]:
    return told | {"next": _time(told["next"])}


def _time(seconds: float | None) -> str:
    return "" if seconds is None else when(seconds)
