"""Make what a build left into a release's folder: the platform's, for everybody inside to read, for nobody to write."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

from serai.errors import ExhaustedError

#: Octets and entries of a built release; a virtual environment with all of science in it stays below.
MAX_OCTETS = 8 << 30
MAX_ENTRIES = 1_000_000
FOLDER, PROGRAM, FILE = 0o755, 0o755, 0o644


def hand_over(folder: Path, uid: int | None) -> None:
    """Let a tenant's user write in a folder while it is built. Blocks."""
    if uid is None:
        return
    for path, names, files, fd in os.fwalk(folder, follow_symlinks=False):
        del path
        os.fchown(fd, uid, uid)
        for name in (*names, *files):
            os.chown(name, uid, uid, dir_fd=fd, follow_symlinks=False)


def seal(folder: Path, uid: int | None, *, open_to_edge: bool) -> int:
    """Take a built folder from the tenant: owner, modes, no setuid bits, no pipes or devices; return its octets.

    As root it becomes root's and the tenant's group may read it; ``open_to_edge``: so may the edge's workers, since
    they serve files of it. No process of the tenant may be alive that has the folder open. Blocks.
    `ExhaustedError` beyond `MAX_OCTETS` or `MAX_ENTRIES`.
    """
    octets = entries = 0
    for _, names, files, fd in os.fwalk(folder, topdown=False, follow_symlinks=False):
        for name in (*files, *names):
            entries += 1
            octets += _entry(name, fd, uid)
            if octets > MAX_OCTETS or entries > MAX_ENTRIES:
                raise ExhaustedError(f"The built release has over {MAX_OCTETS >> 30} GiB or {MAX_ENTRIES} files.")
    if uid is not None:
        os.chown(folder, 0, uid)
    folder.chmod(0o755 if open_to_edge or uid is None else 0o750)
    return octets


def _entry(name: str, fd: int, uid: int | None) -> int:
    status = os.stat(name, dir_fd=fd, follow_symlinks=False)
    if uid is not None:
        # A change of owner also takes setuid bits away, but the mode is set below in any case.
        os.chown(name, 0, uid, dir_fd=fd, follow_symlinks=False)
    if stat.S_ISLNK(status.st_mode):
        return 0
    if stat.S_ISDIR(status.st_mode):
        os.chmod(name, FOLDER, dir_fd=fd)
        return 0
    if not stat.S_ISREG(status.st_mode):
        os.unlink(name, dir_fd=fd)
        return 0
    os.chmod(name, PROGRAM if status.st_mode & 0o100 else FILE, dir_fd=fd)
    return status.st_size


def clear(folder: Path) -> None:
    """Remove a folder with all in it, if it is there; never through a link. Blocks."""
    if folder.is_symlink():
        folder.unlink()
    elif folder.exists():
        shutil.rmtree(folder)
