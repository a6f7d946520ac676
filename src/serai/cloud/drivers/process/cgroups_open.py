"""Find the control groups that this process may use, and prepare them."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path

from serai.cloud.drivers.process.cgroups import ENABLE, NEEDED, Groups, NoGroups
from serai.cloud.drivers.process.cgroups_systemd import ROOT, Systemd, manages, words
from serai.cloud.drivers.process.cgroups_v1 import Legacy
from serai.cloud.drivers.process.cgroups_v2 import Unified

ATTEMPTS = 5


def open_groups(name: str, root: Path = ROOT) -> Groups:
    """Return the control groups that this process may use, in a group called ``name``. Blocks while systemd answers."""
    if words(root / "cgroup.controllers") >= NEEDED:
        return _unified(name, root)
    if all(os.access(root / one / "cgroup.procs", os.W_OK) for one in NEEDED):
        return Legacy(root, name)
    return NoGroups()


def own_group() -> str:
    """Return the control group (version 2) of this process, as a path below the root; "/" where there is none."""
    lines = Path("/proc/self/cgroup").read_text().splitlines()
    return next((line[3:] for line in lines if line.startswith("0::")), "/")


def _unified(name: str, root: Path) -> Groups:
    """Take what systemd gives; else what whoever started us handed to us; else, as root, a group at the top."""
    own = own_group()
    if root == ROOT and manages(own):
        unit = Systemd(name)
        folder = unit.folder()
        if folder is not None:
            return Unified(folder, unit)
    base = _delegated(root / own.lstrip("/"), root) or root
    try:
        _hand_on(base)
    except OSError:
        return NoGroups()
    return Unified(base / name)


def _delegated(own: Path, root: Path) -> Path | None:
    """Return the nearest group at or above ``own`` that systemd handed to us, or None."""
    for group in (own, *own.parents):
        with contextlib.suppress(OSError):
            if b"1" in {os.getxattr(group, key) for key in os.listxattr(group) if key.endswith(".delegate")}:
                return group
        if group == root:
            break
    return None


def _hand_on(group: Path) -> None:
    """Give the controllers of ``group`` to its children; OSError where it isn't ours.

    A group with processes can't, save the root of the machine: they move into a leaf, again where one forks meanwhile.
    """
    for attempt in range(ATTEMPTS):
        if (group / "cgroup.type").exists():
            _into_leaf(group)
        try:
            (group / "cgroup.subtree_control").write_text(ENABLE)
        except OSError as error:
            if error.errno != errno.EBUSY or attempt == ATTEMPTS - 1:
                raise
        else:
            return


def _into_leaf(group: Path) -> None:
    leaf = group / "platform"
    leaf.mkdir(exist_ok=True)
    for pid in words(group / "cgroup.procs"):
        with contextlib.suppress(ProcessLookupError):
            (leaf / "cgroup.procs").write_text(pid)
