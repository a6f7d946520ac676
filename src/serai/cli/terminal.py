"""The terminal as commands use it: results to stdout, everything else to stderr."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from serai.api.client import Client, segment
from serai.cli.place import Place
from serai.cli.ports import edges, with_port
from serai.errors import (
    BY_CODE,
    ConflictError,
    DeadlineError,
    DeniedError,
    InternalError,
    InvalidError,
    NotFoundError,
    SeraiError,
    UnavailableError,
    UnsupportedError,
)

RECONNECTS = 8  # attempts to reach an API that is being replaced
#: Control characters of a program's output would steer the terminal of whoever reads it.
_STEERING = dict.fromkeys((*range(9), *range(11, 32), *range(127, 160)), "\N{REPLACEMENT CHARACTER}")


class Terminal:
    """Implement `serai.services.terminal.Terminal`."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.api = Client(place.server or place.home / "run/api.sock", token=place.token)
        # Of the whole host, asked at most once; elsewhere it is known.
        self._addresses: list[str] | None = [place.server.address] if place.server else None

    @property
    def home(self) -> Path:
        """Return the home on this machine; `UnsupportedError` where the command is about a platform elsewhere."""
        if self.place.server is not None:
            raise UnsupportedError(
                f"That is about the machine itself, and not for {self.place.server}: do it there, or name a home here"
                " with --home."
            )
        return self.place.home

    def tenant(self, given: str | None) -> str:
        """Return the tenant that is meant; raise `InvalidError` that lists them where it is not clear."""
        named = given or os.environ.get("SERAI_TENANT")
        if named:
            return named
        names = self.tenants(20)
        if len(names) == 1:
            return str(names[0])
        if not names:
            raise InvalidError("There is no tenant yet: make one with `serai tenant create NAME`.", path="tenant")
        raise InvalidError(f"Which tenant? Say --tenant NAME, one of: {', '.join(names)}.", path="tenant")

    def within(self, given: str | None) -> str | None:
        """Return the tenant that a list is of: the one given, None for all, or the only one of who can't see all."""
        if given or any(not one.get("tenant") for one in self.api.call("GET", "/v1/me")["grants"]):
            return given
        return self.tenant(None)

    def tenants(self, limit: int = 1000) -> list[str]:
        """Return the names of the tenants that who asks has to do with: all, or those where they were given a role."""
        try:
            items = self.api.call("GET", "/v1/tenant", query={"limit": limit})["items"]
        except (NotFoundError, DeniedError):
            grants = self.api.call("GET", "/v1/me")["grants"]
            return sorted({one["tenant"] for one in grants if one.get("tenant")})
        return [str(item["name"]) for item in items]

    def result(self, value: Any, text: str | None = None, *, as_json: bool = False) -> None:
        """Print a result: as JSON, or the text for people."""
        if as_json or text is None:
            write(json.dumps(value, indent=2, ensure_ascii=False))
        elif text:
            write(text)

    def table(
        self, rows: Sequence[Mapping[str, Any]], columns: Sequence[str], *, as_json: bool = False, empty: str = ""
    ) -> None:
        """Print rows: as a JSON array, or aligned below their columns' names."""
        if as_json:
            write(json.dumps(list(rows), indent=2, ensure_ascii=False))
            return
        if not rows:
            self.note(empty or "There are none.")
            return
        lines = [[column.upper() for column in columns]]
        lines += [[_cell(row.get(column)) for column in columns] for row in rows]
        widths = [max(len(line[index]) for line in lines) for index in range(len(columns))]
        for line in lines:
            write("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())

    def note(self, text: str) -> None:
        """Tell something that is not the result."""
        sys.stderr.write(f"{text.translate(_STEERING)}\n")
        sys.stderr.flush()

    def url(self, url: str) -> str:
        """Return a URL of the platform's with the port at which this installation answers it."""
        if self._addresses is None:
            try:
                self._addresses = edges(self.api.call("GET", "/v1/plan"))
            except SeraiError:
                return url
        return with_port(url, self._addresses)

    def progress(self, title: str, run: Callable[[Callable[[float, str], None]], Any]) -> Any:
        """Call ``run`` with a function that moves a bar (0 to 1, a sentence), and return what it returns."""
        if not sys.stderr.isatty():
            return run(lambda _done, _sentence: None)
        # Half of what rich costs is paid only by who sees a bar.
        from rich.console import Console  # noqa: PLC0415
        from rich.markup import escape  # noqa: PLC0415
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: PLC0415

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[said]}"),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            line = bar.add_task(escape(title), total=1.0, said="")

            def move(done: float, sentence: str) -> None:
                said = escape(sentence.translate(_STEERING)[:60])
                bar.update(line, completed=min(max(done, 0.0), 1.0), said=said)

            return run(move)

    def follow(self, tasks: Sequence[str], title: str) -> None:
        """Show tasks until the last is over; raise the error of the first that failed."""

        def run(move: Callable[[float, str], None]) -> None:
            for index, task in enumerate(tasks):
                self._wait(task, lambda done, said, at=index: move((at + done) / len(tasks), said))  # type: ignore[misc]

        try:
            self.progress(title, run)
        except KeyboardInterrupt:
            self.note(
                "Nobody watches any more, but it goes on: `serai task list` shows it, `serai task cancel` ends it."
            )
            raise

    @staticmethod
    def end(task: Mapping[str, Any]) -> None:
        """Raise the error of a task that is over and did not end well."""
        if task["state"] == "error":
            raise _failure(task)
        if task["state"] == "canceled":
            raise ConflictError(f"The task {task['function']} was canceled.", task=task["id"])

    def _wait(self, task: str, move: Callable[[float, str], None]) -> None:
        shown: Mapping[str, Any] = {}
        while shown.get("state") not in {"done", "error", "canceled"}:
            # A stream ends early where the API is being replaced: ask the next one.
            for shown in self._states(task):
                move(float(shown["progress"]), shown["sentence"] or shown["function"])
        self.end(shown)

    def _states(self, task: str) -> Iterator[Mapping[str, Any]]:
        for attempt in range(RECONNECTS):
            try:
                yield from self.api.stream(f"/v1/tasks/{segment(task)}/follow")
            except UnavailableError:
                if attempt == RECONNECTS - 1:
                    raise
                time.sleep(0.2 * (attempt + 1))
            else:
                return


def write(text: str) -> None:
    """Write a line to stdout; a terminal gets no control characters."""
    sys.stdout.write(f"{text.translate(_STEERING) if sys.stdout.isatty() else text}\n")
    sys.stdout.flush()


def printed(text: str) -> str:
    """Return text that can't steer a terminal."""
    return text.translate(_STEERING)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return " ".join(f"{key}={item}" for key, item in value.items())
    if isinstance(value, list):
        return " ".join(str(item) for item in value)
    return str(value).replace("\n", " ")[:80]


def _failure(task: Mapping[str, Any]) -> SeraiError:
    error = task.get("error") or {}
    kind = BY_CODE.get(str(error.get("code")), InternalError)
    if kind is DeadlineError and not error.get("public"):
        return DeadlineError(f"The task {task['function']} took too long.", task=task["id"])
    return kind(str(error.get("public") or f"The task {task['function']} failed."), task=task["id"])
