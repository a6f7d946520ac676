"""System calls that Python 3.9 has no name for: namespaces, signalfd, prctl, interfaces."""

from __future__ import annotations

import ctypes
import fcntl
import os
import struct
from _socket import AF_INET, SOCK_DGRAM, inet_aton, socket  # the C module: `socket` itself imports enum and selectors

CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_SECCOMP = 22
PR_CAPBSET_DROP = 24
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
SECCOMP_MODE_FILTER = 2

SIOCADDRT = 0x890B
SIOCGIFFLAGS = 0x8913
SIOCSIFFLAGS = 0x8914
SIOCSIFADDR = 0x8916
SIOCSIFNETMASK = 0x891C
IFF_UP = 0x1
RTF_UP_GATEWAY = 0x3
SIG_BLOCK, SIG_UNBLOCK = 0, 1
SFD_NONBLOCK_CLOEXEC = 0o2004000
PIDFD_SEND_SIGNAL = 424  # the same on all architectures

LIBC = ctypes.CDLL(None, use_errno=True)


def unshare(flags: int) -> None:
    """Leave the namespaces in ``flags`` for new ones."""
    _checked(LIBC.unshare(flags), "unshare")


def setns(fd: int, flags: int) -> None:
    """Enter the namespaces in ``flags`` of the process behind the pidfd ``fd``, all at once (Linux 5.8)."""
    _checked(LIBC.setns(fd, flags), "setns")


def prctl(option: int, value: int, pointer: object = 0) -> None:
    """Set an attribute of this process; unused arguments are zero, as some options demand."""
    word = ctypes.c_ulong
    third = pointer or word(0)
    _checked(LIBC.prctl(option, word(value), third, word(0), word(0)), "prctl")


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def filter_system_calls(program: bytes) -> None:
    """Load a classic BPF program as this process's seccomp filter; no_new_privs must be set."""
    structure = _Program(len(program) // 8, program)
    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(structure))


def signal_fd(numbers: list[int]) -> int:
    """Block the signals ``numbers`` and return a descriptor that reports them."""
    mask = _mask(numbers)
    _checked(LIBC.sigprocmask(SIG_BLOCK, mask, None), "sigprocmask")
    return _checked(LIBC.signalfd(-1, mask, SFD_NONBLOCK_CLOEXEC), "signalfd")


def read_signal(fd: int) -> int:
    """Return the number of one signal that arrived at ``fd``."""
    return int.from_bytes(os.read(fd, 128)[:4], "little")


def unblock(numbers: list[int] | range) -> None:
    """Let the signals ``numbers`` through again; a program inherits what is blocked."""
    _checked(LIBC.sigprocmask(SIG_UNBLOCK, _mask(numbers), None), "sigprocmask")


def send_signal(pidfd: int, number: int) -> None:
    """Send a signal to the process behind a pidfd."""
    _checked(LIBC.syscall(PIDFD_SEND_SIGNAL, pidfd, number, None, 0), "pidfd_send_signal")


def join(path: bytes) -> None:
    """Move this process into the cgroup behind a ``cgroup.procs`` or ``tasks`` file."""
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, b"0")
    finally:
        os.close(fd)


def bring_up(name: str) -> None:
    """Bring an interface of this network namespace up."""
    flags = struct.unpack_from("h", _interface(SIOCGIFFLAGS, struct.pack("16s24x", name.encode())), 16)[0]
    _interface(SIOCSIFFLAGS, struct.pack("16sh22x", name.encode(), flags | IFF_UP))


def give_address(name: str, address: str, netmask: str, gateway: str) -> None:
    """Give an interface of this namespace an IPv4 address and make ``gateway`` the default route."""
    for call, value in ((SIOCSIFADDR, address), (SIOCSIFNETMASK, netmask)):
        _interface(call, struct.pack("16s16s8x", name.encode(), _inet(value)))
    bring_up(name)
    # struct rtentry: pad, dst, gateway, genmask, flags; the rest is zero.
    every = _inet("0.0.0.0")  # noqa: S104  the default route, not a socket
    route = struct.pack("@L16s16s16sH", 0, every, _inet(gateway), every, RTF_UP_GATEWAY)
    _interface(SIOCADDRT, route.ljust(120, b"\0"))


def _interface(call: int, request: bytes) -> bytes:
    channel = socket(AF_INET, SOCK_DGRAM)
    try:
        return fcntl.ioctl(channel.fileno(), call, request)
    finally:
        channel.close()


def _inet(address: str) -> bytes:
    return struct.pack("=HH4s8x", AF_INET, 0, inet_aton(address))


def _mask(numbers: list[int] | range) -> ctypes.Array[ctypes.c_char]:
    bits = sum(1 << (number - 1) for number in numbers)
    return ctypes.create_string_buffer(bits.to_bytes(128, "little"), 128)


def _checked(result: int, call: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), call)
    return result
