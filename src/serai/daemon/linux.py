"""What the kernel offers and Python's library does not: prctl, pidfd_getfd, facts from /proc."""

from __future__ import annotations

import ctypes
import os
import resource
from functools import cache
from pathlib import Path

PR_SET_NO_NEW_PRIVS = 38  # prctl(2)
PR_SET_PTRACER = 0x59616D61  # prctl(2), Yama
PR_SET_PTRACER_ANY = ctypes.c_ulong(-1).value
M_ARENA_MAX = -8  # malloc.h of glibc
_PIDFD_GETFD = 438  # the same number on all architectures (asm-generic/unistd.h)


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _check(result: int) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def no_new_privileges() -> None:
    """Let this process and its children never gain privileges by an exec."""
    _check(_libc().prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))


def allow_takeover() -> None:
    """Let any process of this user fetch our descriptors where Yama would allow only our ancestors to.

    Without Yama there is nothing to allow, and the call fails: that is well.
    """
    _libc().prctl(PR_SET_PTRACER, ctypes.c_ulong(PR_SET_PTRACER_ANY), 0, 0, 0)


def share_heap() -> None:
    """Let all threads of this process and its children allocate from one heap (mallopt(3)), where the C library can.

    Python's threads do not allocate side by side, and each heap of their own would keep what it once took.
    """
    tune = getattr(_libc(), "mallopt", None)
    if tune is not None:
        tune(M_ARENA_MAX, 1)


def give_back() -> None:
    """Return to the kernel what the heap holds and does not use (malloc_trim(3)), where the C library can."""
    trim = getattr(_libc(), "malloc_trim", None)
    if trim is not None:
        trim(0)


def raise_descriptor_limit(most: int = 1 << 20) -> None:
    """Let this process and its children open as many descriptors as the hard limit allows."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = most if hard == resource.RLIM_INFINITY else min(hard, most)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def descriptor_of(pidfd: int, fd: int) -> int:
    """Return our own descriptor of what is number ``fd`` in another process; raise OSError where we may not."""
    return _check(_libc().syscall(_PIDFD_GETFD, pidfd, fd, 0))


def start_ticks(pid: int) -> int:
    """Return when a process started, in clock ticks since boot, or 0 where there is none; zombies count as none.

    Together with the process ID it names a process beyond reuse of the number.
    """
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return 0
    # proc(5): the command, in parentheses, may hold anything; state is field 3, start time field 22.
    fields = text.rpartition(")")[2].split()
    return 0 if fields[0] in "ZX" else int(fields[19])


def uptime(ticks: int) -> float:
    """Return for how many seconds a process that started at ``ticks`` has run."""
    boot_seconds = float(Path("/proc/uptime").read_text(encoding="ascii").split()[0])
    return max(0.0, boot_seconds - ticks / os.sysconf("SC_CLK_TCK"))


def pss(pid: int) -> int:
    """Return a process's proportional set size in octets, or 0 where it can't be read."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    except OSError:
        return 0
    for line in text.splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0
