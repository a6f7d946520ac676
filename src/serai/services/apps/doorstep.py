"""The folders that hold the sockets: one for each application, which its sandboxes see and no others.

The agent makes them, since they belong to two: the platform's control user writes, the tenant's group passes through.
"""

from __future__ import annotations

import os
from pathlib import Path

NAME = "serai.sock"
PLACE = "/serai/door"  # where a sandbox sees its application's folder
SOCKET = f"{PLACE}/{NAME}"  # $SERAI_SOCKET


def all_of(home: Path) -> Path:
    """Return where the folders of all applications are."""
    return home / "run/doors"


def path(home: Path, tenant: str, app: str) -> Path:
    """Return an application's folder. Neither name holds a dot."""
    return all_of(home) / f"{tenant}.{app}"


def owner(folder: Path) -> tuple[str, str]:
    """Return (tenant, app) of a folder."""
    tenant, _, app = folder.name.partition(".")
    return tenant, app


def furnish(folder: Path, uid: int | None) -> None:
    """Make a folder with its owners and mode; safe to call again. Blocks."""
    parent = folder.parent
    for each, mode in ((parent, 0o751), (folder, 0o710 if uid is not None else 0o700)):
        each.mkdir(mode=mode, exist_ok=True)
        if os.geteuid() == 0:
            # The platform's common group has the number of its control user (see `serai.daemon.home`).
            control = (parent.parent.parent / "data/apps").stat().st_gid
            os.chown(each, 0 if each is parent else control, control if each is parent or uid is None else uid)
        each.chmod(mode)
