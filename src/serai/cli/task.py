"""Tasks: list, show, run, cancel, retry, watch; pause and resume channels; limits."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer

from serai.api.client import segment
from serai.cli import task_limit, task_run, task_watch
from serai.cli.terminal import Terminal
from serai.errors import InvalidError
from serai.services.terminal import DryRunOption, JsonOption

app = typer.Typer(name="task", help="Everything that takes time, and how it went.", no_args_is_help=True)
app.add_typer(task_limit.app)
app.command("run")(task_run.run)

COLUMNS = ("id", "function", "tenant", "app", "state", "wait", "progress", "sentence")
#: Fields of a task that its story, log and children tell better, or that say nothing to people.
_APART = frozenset({"story", "log", "children", "number", "arguments", "result", "error"})
_TIMES = frozenset({"created", "started", "finished", "not_before", "expires"})
STATES = ("to_do", "is_processing", "done", "error", "to_cancel", "canceled")


def states(incomplete: str) -> list[str]:
    """Complete a state's name."""
    return [state for state in STATES if state.startswith(incomplete)]


def tasks(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Complete a task's ID among the newest."""
    terminal: Terminal = ctx.obj
    items = terminal.api.call("GET", "/v1/tasks", query={"limit": 100})["items"]
    return [(one["id"], f"{one['function']} {one['state']}") for one in items if one["id"].startswith(incomplete)]


Task = Annotated[str, typer.Argument(help="The task's ID.", autocompletion=tasks)]
Channel = Annotated[str, typer.Argument(help="The channel; an app's own is TENANT/APP/NAME.")]
TenantFilter = Annotated[str | None, typer.Option("--tenant", help="Only this tenant's.")]
AppFilter = Annotated[str | None, typer.Option("--app", help="Only this app's.")]
StateFilter = Annotated[
    str | None, typer.Option("--state", help=f"Only those that are {', '.join(STATES)}.", autocompletion=states)
]
FunctionFilter = Annotated[str | None, typer.Option("--function", help="Only those of this function.")]
ChannelFilter = Annotated[str | None, typer.Option("--channel", help="Only those of this channel.")]
WhyOption = Annotated[str, typer.Option("--why", help="What the story is to say about it.")]


@app.command("list")
def list_(
    ctx: typer.Context,
    *,
    tenant: TenantFilter = None,
    app_name: AppFilter = None,
    state: StateFilter = None,
    function: FunctionFilter = None,
    channel: ChannelFilter = None,
    parent: Annotated[str | None, typer.Option(help="Only the children of this task.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 50,
    as_json: JsonOption = False,
) -> None:
    """List tasks, newest first."""
    terminal: Terminal = ctx.obj
    query = {
        "tenant": terminal.within(tenant), "app": app_name, "state": state, "function": function, "channel": channel,
        "parent": parent, "limit": limit,
    }  # fmt: skip
    rows = terminal.api.call("GET", "/v1/tasks", query=query)["items"]
    terminal.table(rows if as_json else [row(one) for one in rows], COLUMNS, as_json=as_json)


@app.command()
def show(ctx: typer.Context, task: Task, as_json: JsonOption = False) -> None:
    """Show a task: all about it, its story, its log and its children."""
    terminal: Terminal = ctx.obj
    path = f"/v1/tasks/{segment(task)}"
    told = terminal.api.call("GET", path)
    told["story"] = terminal.api.call("GET", f"{path}/story")["items"]
    told["log"] = list(terminal.api.stream(f"{path}/log"))
    query = {"parent": told["id"], "tenant": told["tenant"] or None, "limit": 200}
    told["children"] = terminal.api.call("GET", "/v1/tasks", query=query)["items"]
    terminal.result(told, "\n".join(_told(told)), as_json=as_json)


@app.command()
def cancel(ctx: typer.Context, task: Task, why: WhyOption = "", dry_run: DryRunOption = False) -> None:
    """Cancel a task: at once where it waits, else as soon as it has cleaned up."""
    _ask(ctx.obj, task, "cancel", why, dry_run=dry_run)


@app.command()
def retry(ctx: typer.Context, task: Task, why: WhyOption = "", dry_run: DryRunOption = False) -> None:
    """Run a task again that ended in error or was canceled."""
    _ask(ctx.obj, task, "retry", why, dry_run=dry_run)


@app.command()
def pause(ctx: typer.Context, channel: Channel, why: WhyOption = "", dry_run: DryRunOption = False) -> None:
    """Start nothing more of a channel until it is resumed; what runs goes on."""
    _hold(ctx.obj, channel, "pause", why, dry_run=dry_run)


@app.command()
def resume(ctx: typer.Context, channel: Channel, why: WhyOption = "", dry_run: DryRunOption = False) -> None:
    """Let a paused channel's tasks start again."""
    _hold(ctx.obj, channel, "resume", why, dry_run=dry_run)


@app.command()
def paused(ctx: typer.Context, tenant: TenantFilter = None, as_json: JsonOption = False) -> None:
    """List the channels that are paused."""
    terminal: Terminal = ctx.obj
    rows = terminal.api.call("GET", "/v1/channels", query={"tenant": tenant})["items"]
    shown = rows if as_json else [one | {"at": when(one["at"])} for one in rows]
    terminal.table(shown, ("channel", "at", "who", "why"), as_json=as_json)


@app.command()
def watch(
    ctx: typer.Context,
    task: Annotated[str | None, typer.Argument(help="One task, with its log.", autocompletion=tasks)] = None,
    *,
    tenant: TenantFilter = None,
    app_name: AppFilter = None,
    state: StateFilter = None,
    function: FunctionFilter = None,
    as_json: JsonOption = False,
) -> None:
    """Follow tasks live until interrupted, or one with its log until it is over."""
    terminal: Terminal = ctx.obj
    if task is not None:
        if any((tenant, app_name, state, function)):
            raise InvalidError("One task needs no filter.", path="task")
        terminal.end(task_watch.one(terminal, task, as_json=as_json))
    else:
        query = {"tenant": terminal.within(tenant), "app": app_name, "state": state, "function": function}
        task_watch.many(terminal, query, as_json=as_json)


def row(task: dict[str, Any]) -> dict[str, Any]:
    """Return a task as a line of a table."""
    return {key: f"{task[key]:.0%}" if key == "progress" else task[key] for key in COLUMNS}


def when(seconds: float) -> str:
    """Return a time for people."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def _told(told: dict[str, Any]) -> list[str]:
    lines = [
        f"{key}: {when(value) if key in _TIMES else value}"
        for key, value in told.items()
        if key not in _APART and value not in {"", None, 0}
    ]
    lines += [f"{key}: {told[key]}" for key in ("arguments", "result", "error") if told[key] not in (None, {})]
    for title, each in (
        ("Story", [f"{when(one['at'])}  {one['who']}: {_move(one)}  {one['why']}".rstrip() for one in told["story"]]),
        ("Log", [f"{when(one['at'])}  {one['text']}" for one in told["log"]]),
        ("Children", [f"{one['id']}  {one['function']}  {one['state']}" for one in told["children"]]),
    ):
        lines += ["", f"{title}:", *(f"  {line}" for line in each)] if each else []
    return lines


def _move(step: dict[str, Any]) -> str:
    return f"{step['old'] or '·'} → {step['new']}"


def _ask(terminal: Terminal, task: str, verb: str, why: str, *, dry_run: bool) -> None:
    if dry_run:
        shown = terminal.api.call("GET", f"/v1/tasks/{segment(task)}")
        terminal.note(f"Would {verb} {task}, {shown['function']}, which is {shown['state']}.")
        return
    state = terminal.api.call("POST", f"/v1/tasks/{segment(task)}/{verb}", query={"why": why or None})["state"]
    terminal.note(f"The task is {state}.")


def _hold(terminal: Terminal, channel: str, verb: str, why: str, *, dry_run: bool) -> None:
    if dry_run:
        terminal.note(f"Would {verb} the channel {channel}.")
        return
    terminal.api.call("POST", f"/v1/channels/{segment(channel)}/{verb}", query={"why": why or None})
    terminal.note(f"The channel {channel} is {'paused' if verb == 'pause' else 'resumed'}.")
