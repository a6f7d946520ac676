"""The system calls that a workload may not make, as a classic BPF program made in Python.

In the manner of container runtimes' default profile: what changes the kernel, other processes or namespaces is
refused; what is newer than this table does not exist (ENOSYS), so that a new kernel opens nothing by itself.
"""

from __future__ import annotations

import errno
import struct
from typing import NamedTuple

from serai.cloud.drivers.process.syscalls import AUDIT_ARCH, NEWEST, REFUSED, SPECIAL
from serai.errors import UnsupportedError

# BPF: class | size | mode; linux/bpf_common.h
LOAD = 0x20  # A = 32-bit word of seccomp_data at k
AND = 0x54
EQUAL, GREATER, ANY_SET = 0x15, 0x25, 0x45
RETURN = 0x06

KILL, ERROR, ALLOW = 0x80000000, 0x00050000, 0x7FFF0000  # linux/seccomp.h
NUMBER, ARCH, ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data

NEW_NAMESPACES = 0x7E020000  # CLONE_NEW{NS,CGROUP,UTS,IPC,USER,PID,NET}
AF_UNIX, AF_INET, AF_INET6, AF_NETLINK = 1, 2, 10, 16
SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET, SOCK_KIND = 1, 2, 5, 0xF
NETLINK_ROUTE = 0  # getaddrinfo() asks it for addresses
PERSONALITIES = (0x0, 0x8, 0x20000, 0x20008, 0xFFFFFFFF)
TIOCSTI, TIOCLINUX = 0x5412, 0x541C  # type into a terminal that somebody else reads


class Instruction(NamedTuple):
    """One instruction of classic BPF; the jumps are relative."""

    code: int
    if_true: int
    if_false: int
    k: int


def program(machine: str) -> bytes:
    """Return the filter for ``machine`` ("x86_64", "aarch64"); raise `UnsupportedError` for others."""
    return b"".join(struct.pack("=HBBI", *one) for one in instructions(machine))


def instructions(machine: str) -> list[Instruction]:
    """Return the filter as instructions."""
    if machine not in AUDIT_ARCH:
        raise UnsupportedError("System calls can't be filtered on this machine.", machine=machine)
    special = SPECIAL[machine]
    deny = ERROR | errno.EPERM
    code = [_load(ARCH), *_unless(EQUAL, AUDIT_ARCH[machine], KILL), _load(NUMBER)]
    # The x32 calls of x86_64 have numbers from 0x40000000 on: too new as well. clone3 passes its flags by pointer,
    # which no filter sees; ENOSYS makes C libraries fall back to clone.
    code += _when(GREATER, NEWEST, ERROR | errno.ENOSYS)
    code += _when(EQUAL, special["clone3"], ERROR | errno.ENOSYS)
    for number in sorted(REFUSED[machine].values()):
        code += _when(EQUAL, number, deny)
    code += _block(special["clone"], [_load(ARGUMENTS), *_when(ANY_SET, NEW_NAMESPACES, deny)])
    code += _block(special["personality"], [_load(ARGUMENTS), *_among(PERSONALITIES), _return(deny)])
    terminal = [_load(ARGUMENTS + 8), *_when(EQUAL, TIOCSTI, deny), *_when(EQUAL, TIOCLINUX, deny)]
    code += _block(special["ioctl"], terminal)
    code += _block(special["socket"], _socket(deny))
    return [*code, _return(ALLOW)]


def _socket(deny: int) -> list[Instruction]:
    """Allow Unix, IPv4 and IPv6 sockets of the ordinary kinds, and the routing netlink socket."""
    route = [_load(ARGUMENTS + 16), *_among((NETLINK_ROUTE,)), _return(deny)]
    ordinary = [_load(ARGUMENTS + 8), Instruction(AND, 0, 0, SOCK_KIND)]
    ordinary += [*_among((SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET)), _return(deny)]
    families = (AF_UNIX, AF_INET, AF_INET6)
    known = [Instruction(EQUAL, len(families) - at, 0, family) for at, family in enumerate(families)]
    return [
        _load(ARGUMENTS),
        Instruction(EQUAL, 0, len(route), AF_NETLINK),
        *route,
        *known,
        _return(ERROR | errno.EAFNOSUPPORT),
        *ordinary,
    ]


def _block(number: int, body: list[Instruction]) -> list[Instruction]:
    """Run ``body`` for one system call; what it does not refuse is allowed."""
    return [Instruction(EQUAL, 0, len(body) + 1, number), *body, _return(ALLOW)]


def _when(test: int, value: int, verdict: int) -> list[Instruction]:
    return [Instruction(test, 0, 1, value), _return(verdict)]


def _unless(test: int, value: int, verdict: int) -> list[Instruction]:
    return [Instruction(test, 1, 0, value), _return(verdict)]


def _among(values: tuple[int, ...]) -> list[Instruction]:
    return [one for value in values for one in _when(EQUAL, value, ALLOW)]


def _load(offset: int) -> Instruction:
    return Instruction(LOAD, 0, 0, offset)


def _return(verdict: int) -> Instruction:
    return Instruction(RETURN, 0, 0, verdict)
