"""Tell processes apart for good: a number of a process is used again, its start within a boot is not."""

from __future__ import annotations

import os
from pathlib import Path

_STATE, _STARTED = 0, 19  # fields of /proc/PID/stat after the name (proc_pid_stat(5))
_PARTS = 4


def identity() -> str:
    """Return this process as ``BOOT-NAMESPACE-PID-START``, in hexadecimal digits but for the hyphens."""
    pid = os.getpid()
    found = _stat(pid)
    started = int(found[_STARTED]) if found else 0
    return f"{_boot()}-{_namespace():x}-{pid:x}-{started:x}"


def is_dead(known: str) -> bool:
    """Tell whether a process surely lives no more; of one of another machine or boot, nothing is sure."""
    parts = known.split("-")
    if len(parts) != _PARTS or parts[0] != _boot():
        return False
    try:
        namespace, pid, started = (int(part, 16) for part in parts[1:])
    except ValueError:
        return False
    if namespace != _namespace():
        return False
    found = _stat(pid)
    return found is None or int(found[_STARTED]) != started or found[_STATE] in {"Z", "X"}


def _stat(pid: int) -> list[str] | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    return text.rpartition(")")[2].split()


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")[:8]


def _namespace() -> int:
    return Path("/proc/self/ns/pid").stat().st_ino
