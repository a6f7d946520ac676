"""Between a bot and an isolated function: start it, wait for it, and let nothing that it started outlive it.

The first process that is forked here is the first of a PID namespace, where one may be made: with its death the kernel
kills all others in it (pid_namespaces(7)), however they detached themselves. Elsewhere the warden adopts what the
function leaves behind, and kills that.
"""

from __future__ import annotations

import array
import contextlib
import ctypes
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_CLONE_NEWUSER = 0x10000000
_CLONE_NEWPID = 0x20000000
#: Added to a signal's number in a process's exit code.
BY_SIGNAL = 128


def main(function: Callable[[], None], parent: int, status: int) -> None:
    """Run ``function`` in a process; send a descriptor that kills all of it to ``status``, and last its exit code.

    When ``status`` ends, all processes of the run are dead.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    alone = _unshare()
    die_with_parent(signal.SIGKILL if alone else signal.SIGTERM)
    if os.getppid() != parent:
        return
    if not alone:
        _libc().prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    hold, go = os.pipe()
    first = os.fork()
    if not first:
        os.close(go)
        _first(function, hold, status)
        return
    signal.signal(signal.SIGTERM, lambda *_: os.kill(first, signal.SIGKILL))
    with socket.socket(fileno=status) as channel:
        handle = os.pidfd_open(first)
        channel.sendmsg([b"pid"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [handle]))])
        os.write(go, b"g")
        code = os.waitstatus_to_exitcode(os.waitpid(first, 0)[1])
        if not alone:
            _kill_orphans()
        channel.send(str(code if code >= 0 else BY_SIGNAL - code).encode())
    os._exit(0)


def die_with_parent(number: signal.Signals) -> None:
    """Have the kernel send a signal when the process that forked this one ends; the caller looks whether it has."""
    _libc().prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)


def _first(function: Callable[[], None], hold: int, status: int) -> None:
    """Be the first process of the namespace: fork the function, reap what ends, and end when it does."""
    die_with_parent(signal.SIGKILL)
    if os.read(hold, 1) != b"g":  # the warden died before it could take us with it
        return
    os.close(hold)
    os.close(status)
    runner = os.fork()
    if not runner:
        os.setsid()
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        function()
        return
    while True:
        ended, state = os.waitpid(-1, 0)
        if ended == runner:
            code = os.waitstatus_to_exitcode(state)
            os._exit(code if code >= 0 else BY_SIGNAL - code)


def _unshare() -> bool:
    """Make a PID namespace for what is forked from here on; return whether the kernel let us."""
    user, group = os.geteuid(), os.getegid()
    flags = _CLONE_NEWPID if user == 0 else _CLONE_NEWPID | _CLONE_NEWUSER
    if _libc().unshare(flags):
        return False
    if user:
        Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1", encoding="ascii")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1", encoding="ascii")
    return True


def _kill_orphans() -> None:
    """Kill what the function left behind, until the kernel knows of no child."""
    me = os.getpid()
    with contextlib.suppress(ChildProcessError):
        while True:
            for child in Path(f"/proc/{me}/task/{me}/children").read_text(encoding="ascii").split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(child), signal.SIGKILL)
            os.waitpid(-1, 0)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
