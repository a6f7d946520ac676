"""What a service's commands find in ``ctx.obj``: the API and the terminal, as the command line gives them.

A command asks the API for everything, also on the machine itself, so that it passes the same `authorize` as all else.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Protocol

import typer

Parameters = Mapping[str, str | int | bool | None]


class Kept(Protocol):
    """A connection that is kept for what is sent piece after piece."""

    def post(self, path: str, data: bytes, query: Parameters | None = None) -> Any:
        """Send octets and return the JSON of the answer; they may arrive twice where the connection breaks."""
        ...

    def close(self) -> None:
        """Close it."""
        ...


class Api(Protocol):
    """The HTTP API; answers are plain data. Errors are `SeraiError` by their code."""

    def call(self, method: str, path: str, body: Any = None, query: Parameters | None = None) -> Any:
        """Make one request and return its JSON, None where there is none."""
        ...

    def stream(self, path: str, query: Parameters | None = None) -> Iterator[Any]:
        """Yield the JSON lines of an answer as they come."""
        ...

    def keep(self) -> Kept:
        """Return a connection that is kept."""
        ...

    def upload(self, tenant: str, chunks: Iterable[bytes]) -> str:
        """Store a blob and return its hash."""
        ...


class Terminal(Protocol):
    """Who sits before it: results go to stdout, all else to stderr."""

    @property
    def api(self) -> Api:
        """Return what is asked for everything."""
        ...

    @property
    def home(self) -> Path:
        """Return the folder that holds everything, on the machine itself."""
        ...

    def tenant(self, given: str | None) -> str:
        """Return the tenant that is meant: the one given, SERAI_TENANT, or the only one there is."""
        ...

    def result(self, value: Any, text: str | None = None, *, as_json: bool = False) -> None:
        """Print a result: as JSON, or the text for people."""
        ...

    def table(
        self, rows: Sequence[Mapping[str, Any]], columns: Sequence[str], *, as_json: bool = False, empty: str = ""
    ) -> None:
        """Print rows: as a JSON array, or aligned below their columns' names."""
        ...

    def note(self, text: str) -> None:
        """Tell something that is not the result."""
        ...

    def url(self, url: str) -> str:
        """Return a URL of the platform's with the port at which this installation answers it."""
        ...

    def progress(self, title: str, run: Callable[[Callable[[float, str], None]], Any]) -> Any:
        """Call ``run`` with a function that moves a bar (0 to 1, a sentence), and return what it returns."""
        ...

    def follow(self, tasks: Sequence[str], title: str) -> None:
        """Show tasks until the last is over; raise the first one's error that failed."""
        ...


TenantOption = Annotated[
    str | None, typer.Option("--tenant", help="Whose; default: SERAI_TENANT, or the only tenant.", show_default=False)
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]


def change(terminal: Terminal, would: str, method: str, path: str, body: Any = None, **more: Any) -> Any:
    """Make a change and return what it answers; with ``dry_run`` only say what it would be, and return None."""
    if more.pop("dry_run"):
        terminal.note(f"Would {would}.")
        return None
    answer = terminal.api.call(method, path, body, **more)
    return {} if answer is None else answer


def when(seconds: float) -> str:
    """Return a moment as people read it, "" for none."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds)) if seconds else ""
