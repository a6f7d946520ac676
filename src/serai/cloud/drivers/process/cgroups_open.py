"""Find the control groups that this process may use, and prepare them."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from serai.cloud.drivers.process.cgroups import NEEDED, Groups, NoGroups
from serai.cloud.drivers.process.cgroups_v1 import Legacy
from serai.cloud.drivers.process.cgroups_v2 import Unified

ROOT = Path("/sys/fs/cgroup")


def open_groups(name: str, root: Path = ROOT) -> Groups:
    """Return the control groups that this process may use, in a group called ``name``."""
    own = Path("/proc/self/cgroup").read_text()
    below = next((line[3:] for line in own.splitlines() if line.startswith("0::")), "/")
    controllers = _words(root / "cgroup.controllers")
    if set(NEEDED) <= controllers:
        base = _delegated(root / below.lstrip("/")) or root
        if os.access(base / "cgroup.subtree_control", os.W_OK):
            return Unified(base / name)
        return NoGroups()
    if all(os.access(root / one / "cgroup.procs", os.W_OK) for one in NEEDED):
        return Legacy(root, name)
    return NoGroups()


def _delegated(own: Path) -> Path | None:
    """Return the nearest group at or above ``own`` that systemd handed to us, or None."""
    for group in (own, *own.parents):
        with contextlib.suppress(OSError):
            if b"1" in {os.getxattr(group, key) for key in os.listxattr(group) if key.endswith(".delegate")}:
                _into_leaf(group)
                return group
        if group == ROOT:
            break
    return None


def _into_leaf(group: Path) -> None:
    """Move the platform itself into a leaf: a group with processes can't hand controllers to its children."""
    leaf = group / "platform"
    leaf.mkdir(exist_ok=True)
    for pid in (group / "cgroup.procs").read_text().split():
        with contextlib.suppress(OSError):
            (leaf / "cgroup.procs").write_text(pid)
    (group / "cgroup.subtree_control").write_text(" ".join("+" + name for name in NEEDED))


def _words(path: Path) -> set[str]:
    try:
        return set(path.read_text().split())
    except OSError:
        return set()
