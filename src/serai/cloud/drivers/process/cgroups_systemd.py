"""Ask systemd for a subtree of control groups, in a unit of its own.

It can't be the unit that the platform runs in: before version 254 systemd can't start a unit's main process again while
others live below it and its controllers are handed on (status 219/CGROUP), which is what a killed supervisor leaves.
The unit also outlives the session of whoever typed ``serai up``. It holds one process that does nothing, since systemd
takes away a group that is empty. ``systemctl status`` shows all instances of a home in one tree, and ``systemctl stop``
ends them.

For a plain user it is a unit of the user's own systemd. The kernel lets a user move processes only within the subtree
that the user owns (cgroup-v2.rst, "Delegation Containment"), so that the platform must run below it, too: `scope`.
"""

from __future__ import annotations

import os
import pwd
import subprocess
from collections.abc import Callable
from pathlib import Path

from serai.cloud.drivers.process.cgroups import NEEDED

ROOT = Path("/sys/fs/cgroup")
BOOTED = Path("/run/systemd/system")  # sd_booted(3)
RUNTIME = Path("/run/user")
LINGER = Path("/var/lib/systemd/linger")
PLATFORM = "serai.service"  # when the machine ends the platform does first, and tells its instances
ANSWER_SECONDS = 20
SETTINGS = {
    "Type": "exec",
    "Delegate": "yes",
    "Before": PLATFORM,
    "OOMPolicy": "continue",  # that one instance wants too much memory is not the others' end
    "TasksMax": "infinity",  # each instance has a limit of its own
}

Call = Callable[..., str]


class Systemd:
    """The unit of a home at the systemd that is ours: the system's as root, else the user's.

    ``call`` runs a command and returns what it printed, "" where it failed.
    """

    def __init__(self, name: str, root: Path = ROOT, call: Call | None = None) -> None:
        self._unit = f"{name}.service"
        self._root = root
        self._call = call or _call

    def folder(self) -> Path | None:
        """Return the control group of the unit, started where it does not run; None where systemd refuses."""
        group = self._group()
        if group is None:
            self._start()
            group = self._group()
        if group is None:
            return None
        # Who has processes of its own can't hand controllers to its children.
        idle = group / "idle"
        idle.mkdir(exist_ok=True)
        for pid in (group / "cgroup.procs").read_text().split():
            (idle / "cgroup.procs").write_text(pid)
        return group

    def stop(self) -> None:
        """End the unit and whatever is left in it."""
        self._call("systemctl", "stop", self._unit)

    def _group(self) -> Path | None:
        shown = self._call("systemctl", "show", "--property=ActiveState,ControlGroup", self._unit)
        values = dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)
        if values.get("ActiveState") != "active" or not values.get("ControlGroup"):
            return None
        return self._root / values["ControlGroup"].lstrip("/")

    def _start(self) -> None:
        about = f"--description=Instances of the Serai host {self._unit.removesuffix('.service')}"
        settings = [f"--property={name}={value}" for name, value in SETTINGS.items()]
        self._call("systemd-run", "--quiet", "--collect", f"--unit={self._unit}", about, *settings, "sleep", "infinity")


def manages(own: str) -> bool:
    """Return whether a systemd can give control groups to who is in the group ``own``."""
    uid = os.geteuid()
    return BOOTED.is_dir() if uid == 0 else own.startswith(_subtree(uid))


def scope(own: str, *, lasting: bool, root: Path = ROOT) -> tuple[str, ...]:
    """Return the words that, before a command, run it below the user's systemd; none where it is there, or can't be.

    ``own`` is the caller's group. What shall outlive the login (``lasting``) can run there only for users who linger
    (loginctl(1)): others' systemd ends with their last session.
    """
    uid = os.geteuid()
    if uid == 0 or manages(own) or not words(root / _subtree(uid)[1:] / "cgroup.controllers") >= NEEDED:
        return ()
    if lasting and not _lingers(uid):
        return ()
    argv = (*_session(uid), "systemd-run", "--user", "--scope", "--quiet", "--collect")
    return argv if _run((*argv, "true")) is not None else ()


def words(path: Path) -> frozenset[str]:
    """Return the words of a file of the kernel's, none where it can't be read."""
    try:
        return frozenset(path.read_text().split())
    except OSError:
        return frozenset()


def _subtree(uid: int) -> str:
    return f"/user.slice/user-{uid}.slice/user@{uid}.service/"


def _lingers(uid: int) -> bool:
    try:
        return (LINGER / pwd.getpwuid(uid).pw_name).exists()
    except KeyError:
        return False


def _session(uid: int) -> tuple[str, ...]:
    return ("/usr/bin/env", f"XDG_RUNTIME_DIR={RUNTIME / str(uid)}")


def _call(program: str, *arguments: str) -> str:
    uid = os.geteuid()
    user = (*_session(uid), program, "--user") if uid else ("/usr/bin/env", program)
    return _run((*user, *arguments)) or ""


def _run(argv: tuple[str, ...]) -> str | None:
    """Return what a command printed, None where it failed. Blocks: only for a process that begins."""
    try:
        ended = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=ANSWER_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return ended.stdout if ended.returncode == 0 else None
