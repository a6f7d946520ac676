"""Run a program inside a running workload, as locked in as the workload itself.

Arguments: PROGRAM_PID START_TICKS UID SECCOMP_FILE CONFIG -- ARGV… (CONFIG is a bencoded dictionary in hexadecimal:
``groups`` to join, ``writable``, ``devices``, ``limits``, ``cwd``). The environment is that of the workload's program,
so that no secret passes an argument vector.
"""

from __future__ import annotations

import os
import sys

from . import kernel
from .bencode import decode
from .launch import become
from .main import join

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


def main(arguments: list[str]) -> None:
    """Join the workload, then run the program as its child and end as it ended."""
    pid, ticks = int(arguments[0]), arguments[1]
    config = decode(bytes.fromhex(arguments[3]))
    target = os.pidfd_open(pid)
    with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123
        if file.read().rsplit(b")", 1)[1].split()[19].decode() != ticks:
            sys.exit("The program has ended.")
    with open(f"/proc/{pid}/environ", "rb") as file:  # noqa: PTH123
        pairs = [entry.split(b"=", 1) for entry in file.read().split(b"\0") if b"=" in entry]
    with open(arguments[2], "rb") as file:  # noqa: PTH123
        program = file.read()
    config["env"] = pairs
    config["argv"] = [word.encode("utf-8", "surrogateescape") for word in arguments[5:]]
    for path in config["groups"]:
        join(path)
    if os.getuid() == 0:
        os.setgroups([])
    # A program inside has our uid from here on; it may neither trace us nor read our memory.
    kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
    kernel.setns(target, NAMESPACES)
    os.close(target)
    child = os.fork()
    if not child:
        _become(config, program)
    _, status = os.waitpid(child, 0)
    os._exit(os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status))


def _become(config: dict[str, Any], program: bytes) -> None:
    try:
        kernel.prctl(kernel.PR_SET_PDEATHSIG, 9)
        os.setresgid(INSIDE, INSIDE, INSIDE)
        os.setresuid(INSIDE, INSIDE, INSIDE)
        kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
        kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
        kernel.filter_system_calls(program)
        become(config)
    except OSError as error:
        os.write(2, f"{error.strerror}\n".encode())
    finally:
        os._exit(126)
