"""What commands about people have in common: whose things they are about."""

from __future__ import annotations

from typing import Annotated

import typer

from serai.cli.terminal import Terminal
from serai.services.paths import PLATFORM

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
