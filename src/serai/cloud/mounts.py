"""What is mounted where, as this process sees it (proc_pid_mountinfo(5))."""

from __future__ import annotations

import re
from pathlib import Path

MOUNTS = Path("/proc/self/mountinfo")


def device(path: Path) -> str:
    """Return the device that is mounted at ``path``, "" where none is."""
    return mounted(MOUNTS.read_text(), str(path.absolute()))


def mounted(table: str, path: str) -> str:
    """Return the source of the newest mount at ``path`` in the text of /proc/PID/mountinfo (proc_pid_mountinfo(5))."""
    return _mounted(table, path)[1]


def closed(path: Path) -> bool:
    """Tell whether the kernel lets nobody write to what is mounted at ``path``."""
    return not {"ro", "emergency_ro"}.isdisjoint(_mounted(MOUNTS.read_text(), str(path.absolute()))[2].split(","))


def _mounted(table: str, path: str) -> tuple[str, str, str]:
    """Return type, source and options of the newest file system at ``path``, each "" where there is none."""
    found = ("", "", "")
    for line in table.splitlines():
        words = line.split(" ")
        if len(words) > 9 and _plain(words[4]) == path:
            kind, source, options, *_ = *words[words.index("-") + 1 :], "", "", ""
            found = kind, _plain(source), options
    return found


def _plain(word: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), word)
