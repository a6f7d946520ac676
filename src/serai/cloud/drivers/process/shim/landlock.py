"""Landlock: a second lock on the file system, put on by the workload itself just before its program starts.

Mounts already hide what is not the workload's. Landlock keeps the visible part read-only but for named folders even
where a mount is writable by mistake, and from ABI 6 keeps it from abstract Unix sockets outside.
"""

from __future__ import annotations

import ctypes
import os
import struct

CREATE, ADD_RULE, RESTRICT = 444, 445, 446  # the same numbers on all architectures
RULE_PATH_BENEATH = 1
ASK_VERSION = 1

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1, 2, 4, 8
TRUNCATE, IOCTL_DEV = 1 << 14, 1 << 15
ON_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV  # other rights on a file are EINVAL
READING = EXECUTE | READ_FILE | READ_DIR
RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15}  # ABI to number of file system rights; 16 from ABI 5
SCOPE_ABSTRACT_UNIX = 1

LIBC = ctypes.CDLL(None, use_errno=True)


def version() -> int:
    """Return the kernel's Landlock ABI, 0 where it has none."""
    abi: int = LIBC.syscall(CREATE, None, ctypes.c_size_t(0), ASK_VERSION)
    return max(0, abi)


def restrict(writable: list[str], devices: list[str]) -> int:
    """Make all but ``writable`` read-only for this thread and its children; return the ABI used, 0 for none.

    In ``devices`` existing files may be written and ioctl() used, but nothing made. Paths that don't exist are
    passed over. no_new_privs must be set.
    """
    abi = version()
    if not abi:
        return 0
    every = (1 << RIGHTS.get(abi, 16)) - 1
    attributes = struct.pack("=QQQ", every, 0, SCOPE_ABSTRACT_UNIX if abi >= 6 else 0)
    attributes = attributes[: 8 if abi < 4 else 16 if abi < 6 else 24]
    ruleset = _call(CREATE, ctypes.c_char_p(attributes), ctypes.c_size_t(len(attributes)), 0)
    _allow(ruleset, "/", READING & every)
    for path in writable:
        _allow(ruleset, path, every)
    for path in devices:
        _allow(ruleset, path, (READING | WRITE_FILE | TRUNCATE | IOCTL_DEV) & every)
    _call(RESTRICT, ruleset, 0)
    os.close(ruleset)
    return abi


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    if not os.path.isdir(path):  # noqa: PTH112  pathlib costs 4 ms of each start
        rights &= ON_FILES
    _call(ADD_RULE, ruleset, RULE_PATH_BENEATH, ctypes.c_char_p(struct.pack("=Qi", rights, fd)), 0)
    os.close(fd)


def _call(*arguments: object) -> int:
    result: int = LIBC.syscall(*arguments)
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), "landlock")
    return result
