"""How a command ends: the one table from error code to exit status. `docs/reference/errors.md` repeats it for people.

2 is what the shell's own conventions and Typer use for wrong usage, 130 follows SIGINT.
"""

from __future__ import annotations

from collections.abc import Mapping

OK = 0
USAGE = 2
INTERRUPTED = 130

STATUS: Mapping[str, int] = {
    "internal": 1,
    "invalid": 3,
    "not_found": 4,
    "already_exists": 5,
    "conflict": 6,
    "denied": 7,
    "exhausted": 8,
    "unavailable": 9,
    "deadline": 10,
    "unsupported": 11,
}
