"""What commands about people have in common: whose things they are about, and how a change is told or made."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer

from serai.cli.terminal import Terminal

#: How a path writes the platform itself, which has no tenant.
PLATFORM = "-"

Login = Annotated[str, typer.Argument(help="The user's login.")]
Where = Annotated[
    str | None,
    typer.Option("--tenant", help="Whose; «-» is the platform itself; default: the only tenant.", show_default=False),
]


def place_of(terminal: Terminal, tenant: str | None) -> str:
    """Return a tenant as paths write it."""
    return PLATFORM if tenant == PLATFORM else terminal.tenant(tenant)


def tenant_query(tenant: str) -> str:
    """Return a tenant as queries write it."""
    return "" if tenant == PLATFORM else tenant


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
