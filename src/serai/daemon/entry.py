"""How a supervisor is run: the argument vector, the same for a command line that starts one and for an upgrade."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from serai.daemon.home import Home

ENTRY = "serai.cli.machine"


def command(home: Home, sets: Sequence[str], *more: str) -> list[str]:
    """Return the argument vector of a supervisor; -P keeps the current folder off the import path."""
    argv = [sys.executable, "-P", "-m", ENTRY, "--home", str(home.path)]
    for text in sets:
        argv += ["--set", text]
    return [*argv, *more]
