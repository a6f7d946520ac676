"""Put a process into a running workload, as locked in as the workload itself, and tell how it ended.

It takes two: one joins the workload's namespaces, but a PID namespace is entered only by who is born in it. So the
first stays between and forks the second, which becomes the program. On the report socket comes "T" with the master of
its terminal, which is made inside; "R" and its pid when it executes, or "E" and an errno where it can't; in the end "S"
and its exit status, or minus the signal that ended it, whereupon one octet lets it be reaped.
"""

from __future__ import annotations

import fcntl
import os
import struct
import sys
import termios
from _socket import SCM_RIGHTS, SOL_SOCKET, socket

from . import kernel
from .launch import SIGNALS, become

TYPE_CHECKING = False  # importing typing would cost 4 ms and 1 MB
if TYPE_CHECKING:
    from typing import Any

NAMESPACES = (
    kernel.CLONE_NEWUSER
    | kernel.CLONE_NEWNS
    | kernel.CLONE_NEWPID
    | kernel.CLONE_NEWNET
    | kernel.CLONE_NEWIPC
    | kernel.CLONE_NEWUTS
)
INSIDE = 1000  # the user and group that a workload sees itself as
TIOCSPTLCK, TIOCGPTPEER = 0x40045431, 0x5441  # asm-generic/ioctls.h
IUTF8 = 0o40000  # erasing a character erases all of its octets
SHELLS = ("/bin/bash", "/bin/sh")
CAPABILITIES = 64  # more than any kernel has


def started(pid: int) -> str:
    """Return when a process began, in clock ticks since boot; proc_pid_stat(5), field 22."""
    with open("/proc/%d/stat" % pid, "rb") as file:  # noqa: PTH123, UP031
        return file.read().rsplit(b")", 1)[1].split()[19].decode()


def enter(config: dict[str, Any], target: int, report: socket, streams: tuple[int, ...]) -> None:
    """Join the workload behind the pidfd ``target``, run the program and report its end. Never returns.

    ``streams`` are its input, output and error; () gives it a terminal of its own.
    """
    try:
        keeper = os.getppid()
        kernel.unblock(SIGNALS)
        null = os.open("/dev/null", os.O_RDWR)
        os.dup2(null, 0)
        os.dup2(null, 1)
        _close_all_but({target, report.fileno(), *streams})
        for path in config["groups"]:
            kernel.join(path)
        _join(config, target)
        executing, fails = os.pipe()
        child = os.fork()
        if not child:
            _become(config, report, fails, streams)
        _close_all_but({report.fileno(), executing})
        # Set now: entering took what was set before. With us ends the program.
        kernel.prctl(kernel.PR_SET_PDEATHSIG, 9)
        if os.getppid() != keeper:
            os._exit(1)
        failure = os.read(executing, 16)
        _tell(report, b"E" + failure if failure else b"R%d" % child)
        ended = os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
        if ended is not None:
            code = ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status
            _tell(report, b"S%d" % code)
        # Until it is reaped its session's number is nobody else's: what is left of that can be ended.
        _hear(report)
        os.waitpid(child, 0)
    except OSError as error:
        _tell(report, b"E%d" % (error.errno or 0))
    finally:
        os._exit(0)


def _tell(report: socket, message: bytes) -> None:
    try:
        report.send(message)
    except OSError:  # nobody waits for it any more
        return


def _hear(report: socket) -> None:
    try:
        report.recv(1)
    except OSError:  # who has gone without reading all that was told
        return


def _join(config: dict[str, Any], target: int) -> None:
    if os.getuid() == 0:
        os.setgroups([])
    # A program inside has our uid from here on; it may neither trace us nor read our memory.
    kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
    own, theirs = (os.readlink(f"/proc/{pid}/ns/cgroup") for pid in ("self", config["pid"]))  # noqa: PTH115
    kernel.setns(target, NAMESPACES | (kernel.CLONE_NEWCGROUP if own != theirs else 0))


def _become(config: dict[str, Any], report: socket, fails: int, streams: tuple[int, ...]) -> None:
    try:
        for number in range(CAPABILITIES):
            try:
                kernel.prctl(kernel.PR_CAPBSET_DROP, number)
            except OSError:
                break
        os.setresgid(INSIDE, INSIDE, INSIDE)
        os.setresuid(INSIDE, INSIDE, INSIDE)
        kernel.prctl(kernel.PR_SET_PDEATHSIG, 9)
        kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
        kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
        os.setsid()
        os.umask(0o027)
        _take(streams or _terminal(config, report))
        config["argv"] = config["argv"] or [next(one for one in SHELLS if os.access(one, os.X_OK)).encode()]
        kernel.filter_system_calls(config["seccomp"])
        become(config)
    except OSError as error:
        os.write(fails, b"%d" % (error.errno or 0))
    finally:
        os._exit(126)


def _terminal(config: dict[str, Any], report: socket) -> tuple[int, int, int]:
    """Make a terminal in the workload's own /dev/pts, so that it has a name there, and hand its master out."""
    master = os.open("/dev/ptmx", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    fcntl.ioctl(master, TIOCSPTLCK, struct.pack("i", 0))
    slave = fcntl.ioctl(master, TIOCGPTPEER, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    attributes = termios.tcgetattr(slave)
    attributes[0] |= IUTF8
    termios.tcsetattr(slave, termios.TCSANOW, attributes)
    rows, columns = config["size"]
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    report.sendmsg([b"T"], [(SOL_SOCKET, SCM_RIGHTS, master.to_bytes(4, sys.byteorder))])
    os.close(master)
    return slave, slave, slave


def _take(streams: tuple[int, ...]) -> None:
    for number, fd in enumerate(streams):
        os.dup2(fd, number, inheritable=True)


def _close_all_but(kept: set[int]) -> None:
    first = 3
    for fd in sorted(kept):
        os.closerange(first, fd)
        first = fd + 1
    os.closerange(first, 1024)
