"""Tasks: list, show, cancel, retry, watch."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer

from serai.api.client import segment
from serai.cli.terminal import Terminal
from serai.services.terminal import DryRunOption, JsonOption

app = typer.Typer(name="task", help="Everything that takes time, and how it went.", no_args_is_help=True)

COLUMNS = ("id", "function", "tenant", "app", "state", "progress", "sentence")

Task = Annotated[str, typer.Argument(help="The task's ID.")]
TenantFilter = Annotated[str | None, typer.Option("--tenant", help="Only this tenant's.")]
StateFilter = Annotated[str | None, typer.Option("--state", help="to_do, is_processing, done, error, to_cancel…")]


@app.command("list")
def list_(
    ctx: typer.Context,
    tenant: TenantFilter = None,
    state: StateFilter = None,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 50,
    as_json: JsonOption = False,
) -> None:
    """List tasks, newest first."""
    terminal: Terminal = ctx.obj
    rows = _tasks(terminal, tenant, state, limit)
    terminal.table(rows if as_json else [_row(row) for row in rows], COLUMNS, as_json=as_json)


@app.command()
def show(ctx: typer.Context, task: Task, as_json: JsonOption = False) -> None:
    """Show a task, its story and its log."""
    terminal: Terminal = ctx.obj
    path = f"/v1/tasks/{segment(task)}"
    told = terminal.api.call("GET", path)
    told["story"] = terminal.api.call("GET", f"{path}/story")["items"]
    told["log"] = list(terminal.api.stream(f"{path}/log"))
    lines = [
        f"{key}: {value}" for key, value in told.items() if key not in {"story", "log"} and value not in ("", None)
    ]
    lines += [
        f"{_when(one['at'])}  {one['who']}: {one['old'] or '·'} → {one['new']}  {one['why']}" for one in told["story"]
    ]
    lines += [f"{_when(one['at'])}  {one['text']}" for one in told["log"]]
    terminal.result(told, "\n".join(lines), as_json=as_json)


@app.command()
def cancel(ctx: typer.Context, task: Task, dry_run: DryRunOption = False) -> None:
    """Cancel a task: at once where it waits, else as soon as it has cleaned up."""
    _ask(ctx.obj, task, "cancel", dry_run=dry_run)


@app.command()
def retry(ctx: typer.Context, task: Task, dry_run: DryRunOption = False) -> None:
    """Run a task again that ended in error or was canceled."""
    _ask(ctx.obj, task, "retry", dry_run=dry_run)


@app.command()
def watch(
    ctx: typer.Context,
    tenant: TenantFilter = None,
    state: StateFilter = None,
    every: Annotated[float, typer.Option(min=0.2, max=60, help="Seconds between looks.")] = 1.0,
) -> None:
    """Print each change of a task's state until interrupted."""
    terminal: Terminal = ctx.obj
    seen: dict[str, tuple[str, str]] = {}
    while True:
        for row in reversed(_tasks(terminal, tenant, state, 200)):
            now = (row["state"], row["sentence"])
            if seen.get(row["id"]) != now:
                seen[row["id"]] = now
                terminal.result(row, "  ".join(str(value) for value in _row(row).values()))
        for old in list(seen)[:-1000]:
            del seen[old]
        time.sleep(every)


def _tasks(terminal: Terminal, tenant: str | None, state: str | None, limit: int) -> list[dict[str, Any]]:
    query = {"tenant": tenant, "state": state, "limit": limit}
    items: list[dict[str, Any]] = terminal.api.call("GET", "/v1/tasks", query=query)["items"]
    return items


def _row(task: dict[str, Any]) -> dict[str, Any]:
    return {key: f"{task[key]:.0%}" if key == "progress" else task[key] for key in COLUMNS}


def _ask(terminal: Terminal, task: str, verb: str, *, dry_run: bool) -> None:
    if dry_run:
        terminal.note(f"Would {verb} {task}.")
        return
    state = terminal.api.call("POST", f"/v1/tasks/{segment(task)}/{verb}")["state"]
    terminal.note(f"The task is {state}.")


def _when(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
