"""Look after a workload's memory where no cgroup does, and read what a cgroup says about it."""

from __future__ import annotations

import os

from . import kernel

PAGE = os.sysconf("SC_PAGE_SIZE")


def of_namespace(first: int) -> list[int]:
    """Return the processes in the same PID namespace as ``first``."""
    try:
        wanted = os.readlink("/proc/%d/ns/pid" % first)  # noqa: PTH115, UP031  pathlib and its Path cost 4 ms
    except OSError:
        return []
    found = []
    for name in os.listdir("/proc"):  # noqa: PTH208
        if not name.isdigit():
            continue
        try:
            if os.readlink("/proc/" + name + "/ns/pid") == wanted:  # noqa: PTH115
                found.append(int(name))
        except OSError:
            continue
    return found


def children(parent: int) -> list[int]:
    """Return the child processes of ``parent``; not every kernel has /proc/PID/task/TID/children."""
    found = []
    for name in os.listdir("/proc"):  # noqa: PTH208
        try:
            with open("/proc/" + name + "/stat", "rb") as file:  # noqa: PTH123
                if name.isdigit() and int(file.read().rsplit(b")", 1)[1].split()[1]) == parent:
                    found.append(int(name))
        except (OSError, IndexError):
            continue
    return found


def signal_session(leader: int, number: int) -> int:
    """Send a signal to all processes of the session that ``leader`` began (setsid(2)); return how many there were."""
    count = 0
    for name in os.listdir("/proc"):  # noqa: PTH208
        if not name.isdigit() or not _belongs(name, leader):
            continue
        try:
            target = os.pidfd_open(int(name))
        except OSError:
            continue
        try:
            if _belongs(name, leader):
                kernel.send_signal(target, number)
                count += 1
        except OSError:
            continue
        finally:
            os.close(target)
    return count


def memory(first: int, threshold: int = 0) -> int:
    """Return the octets of memory that the namespace of ``first`` uses.

    The cheap sum counts shared pages more than once, so the exact one is taken only where the cheap one reaches
    ``threshold``.
    """
    pids = of_namespace(first)
    cheap = sum(_resident(pid) for pid in pids)
    return cheap if cheap < threshold else sum(_proportional(pid) for pid in pids)


def out_of_memory_kills(path: bytes) -> int:
    """Return how often the kernel killed for want of memory, by a cgroup's ``memory.events`` or ``oom_control``."""
    if not path:
        return 0
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            pairs = [line.split() for line in file]
    except OSError:
        return 0
    return sum(int(pair[1]) for pair in pairs if pair[0] == b"oom_kill")


def _belongs(pid: str, session: int) -> bool:
    try:
        with open("/proc/" + pid + "/stat", "rb") as file:  # noqa: PTH123
            fields = file.read().rsplit(b")", 1)[1].split()
    except (OSError, IndexError):
        return False
    return int(fields[3]) == session and fields[0] not in (b"Z", b"X")


def _resident(pid: int) -> int:
    try:
        with open("/proc/%d/statm" % pid, "rb") as file:  # noqa: PTH123, UP031
            return int(file.read().split()[1]) * PAGE
    except (OSError, IndexError):
        return 0


def _proportional(pid: int) -> int:
    try:
        with open("/proc/%d/smaps_rollup" % pid, "rb") as file:  # noqa: PTH123, UP031
            return next(int(line.split()[1]) << 10 for line in file if line.startswith(b"Pss:"))
    except (OSError, StopIteration):
        return _resident(pid)
