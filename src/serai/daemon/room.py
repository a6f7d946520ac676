"""A disk with no room left, said as a sentence."""

from __future__ import annotations

import errno
from pathlib import Path

from serai.errors import ExhaustedError


def is_full(error: BaseException) -> bool:
    """Tell whether an error means that a disk, or somebody's share of it, is full."""
    return isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}


def no_room(home: Path) -> ExhaustedError:
    """Return what is said of it to who starts a host."""
    return ExhaustedError(f"There is no room left on the disk of {home}: free some, and start the host again.")
