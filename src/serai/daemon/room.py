"""A disk with no room left, said as a sentence."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from serai.errors import ExhaustedError

_LITTLE = 1 << 16  # octets


def is_full(error: BaseException) -> bool:
    """Tell whether an error means that a disk, or somebody's share of it, is full."""
    return isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}


def has_none(folder: Path) -> bool:
    """Tell whether the disk of a folder is as good as full: then the kernel kills whoever writes to a mapped file."""
    try:
        found = os.statvfs(folder)
    except OSError:
        return False
    return found.f_bavail * found.f_frsize < _LITTLE


def no_room(home: Path) -> ExhaustedError:
    """Return what is said of it to who starts a host."""
    return ExhaustedError(f"There is no room left on the disk of {home}: free some, and start the host again.")
