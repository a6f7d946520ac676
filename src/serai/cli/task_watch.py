"""Tasks live: a table that moves on a terminal, plain lines anywhere else. It follows events and asks for nothing."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from serai.api.client import segment
from serai.cli.terminal import RECONNECTS, Terminal, printed
from serai.errors import NotFoundError, UnavailableError

FINAL = frozenset({"done", "error", "canceled"})
SHOWN = 40  # tasks in the table
COLORS = {"done": "green", "error": "red", "canceled": "yellow", "to_cancel": "yellow", "is_processing": "cyan"}
COLUMNS = ("id", "function", "app", "state", "progress", "sentence")

Event = tuple[str, str, Any]


def events(terminal: Terminal, path: str, query: Callable[[], Mapping[str, Any]]) -> Iterator[Event]:
    """Yield events for as long as there are some; where the API is being replaced, ask the next one."""
    failures = 0
    while True:
        try:
            for event in terminal.api.events(path, query()):
                failures = 0
                yield event
                if event[0] == "end":
                    return
        except UnavailableError:
            failures += 1
            if failures >= RECONNECTS:
                raise
        time.sleep(0.2 * (failures + 1))


def one(terminal: Terminal, task: str, *, as_json: bool, quiet: bool = False) -> dict[str, Any]:
    """Follow one task and its log to its end; return it with its result."""
    path, after = f"/v1/tasks/{segment(task)}", 0
    stream = events(terminal, f"{path}/watch", lambda: {"after": after})

    def run(move: Callable[[float, str], None]) -> None:
        nonlocal after
        for kind, _, data in stream:
            if as_json:
                terminal.result({"event": kind, **data}, as_json=True)
            elif kind == "line":
                after = data["line"]
                if not quiet:
                    terminal.note(data["text"])
            elif kind == "task":
                move(float(data["progress"]), data["sentence"] or condition(data))
                if data["state"] in FINAL:
                    return

    terminal.progress(task, run)
    told: dict[str, Any] = terminal.api.call("GET", path)
    return told


def many(terminal: Terminal, query: Mapping[str, Any], *, as_json: bool) -> None:
    """Follow all tasks that a query names, until interrupted."""
    stream = events(terminal, "/v1/tasks/watch", lambda: {**query, "limit": SHOWN})
    moves = (data for kind, _, data in stream if kind == "task")
    if as_json or not sys.stdout.isatty():
        for task in moves:
            terminal.result(task, line(task), as_json=as_json)
        return
    table(moves)


def condition(task: Mapping[str, Any]) -> str:
    """Return a task's state, and what it waits for where that is more than a free bot."""
    return str(task["state"] if task["wait"] in {"", "ready"} else f"{task['state']} ({task['wait']})")


def line(task: Mapping[str, Any]) -> str:
    """Return a task as one line of text."""
    stamp = time.strftime("%H:%M:%S")
    words = (stamp, task["id"], task["function"], task["app"], condition(task), f"{task['progress']:.0%}")
    return "  ".join(str(word) for word in (*words, task["sentence"]) if word)


def table(moves: Iterator[Mapping[str, Any]]) -> None:
    """Draw a table that follows the moves."""
    # Half of what rich costs is paid only by who sees a table.
    from rich.live import Live  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    rows: dict[str, Mapping[str, Any]] = {}

    def draw() -> Table:
        drawn = Table(*COLUMNS, box=None, header_style="bold")
        for task in list(rows.values())[-SHOWN:]:
            cells = [f"{task[name]:.0%}" if name == "progress" else printed(str(task[name])) for name in COLUMNS]
            drawn.add_row(*(Text(cell, style=COLORS.get(task["state"], ""), no_wrap=True) for cell in cells))
        return drawn

    with contextlib.suppress(NotFoundError), Live(draw(), refresh_per_second=8, screen=False) as live:
        for task in moves:
            rows.pop(task["id"], None)
            rows[task["id"]] = task
            for old in list(rows)[:-SHOWN]:
                del rows[old]
            live.update(draw())
