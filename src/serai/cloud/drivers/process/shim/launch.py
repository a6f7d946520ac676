"""What runs first inside the sandbox: it locks the door behind itself and becomes the program.

Arguments: CONFIG_FD REPORT_FD. The configuration comes by a descriptor, since the environment may hold secrets and
argument vectors are public. On the report socket it sends "L" (the sandbox stands), then either "E" with an errno, or
nothing: exec() closes it.
"""

from __future__ import annotations

import os
import resource
from _socket import socket

from .bencode import decode, text
from .landlock import LIBC, restrict

TYPE_CHECKING = False  # importing typing would cost 4 ms and 1 MB
if TYPE_CHECKING:
    from typing import Any

LIMITS = {
    "core": resource.RLIMIT_CORE,
    "data": resource.RLIMIT_DATA,
    "files": resource.RLIMIT_NOFILE,
    "processes": resource.RLIMIT_NPROC,
}

SIGNALS = range(1, 65)
SIG_SETMASK = 2


def main(arguments: list[str]) -> None:
    """Apply limits and Landlock, close everything inherited, and execute the program."""
    config_fd, report_fd = map(int, arguments)
    with open(config_fd, "rb") as file:  # noqa: PTH123
        config = decode(file.read())
    report = socket(fileno=report_fd)
    report.send(b"L")
    os.set_inheritable(report_fd, False)
    os.closerange(3, report_fd)
    os.closerange(report_fd + 1, 1024)
    try:
        become(config)
    except OSError as error:
        report.send(b"E%d" % (error.errno or 0))
    os._exit(127)


def become(config: dict[str, Any]) -> None:
    """Execute the configured program; raise OSError where that can't be done."""
    os.chdir(config["cwd"])
    for name, value in config["limits"].items():
        resource.setrlimit(LIMITS[name], (value, value))
    restrict([text(path) for path in config["writable"]], [text(path) for path in config["devices"]])
    environment = {text(key): text(value) for key, value in config["env"]}
    argv = [text(word) for word in config["argv"]]
    release_signals()
    os.execvpe(argv[0], argv, environment)  # noqa: S606  a typed vector; no shell


def release_signals() -> None:
    """Let every signal do what it does by itself: exec() would leave what is ignored or blocked so.

    The interpreter ignores SIGPIPE and SIGXFSZ, and who started the platform, perhaps, SIGINT, SIGQUIT or SIGHUP.
    """
    for number in SIGNALS:  # of some, libc and kernel refuse to change anything
        LIBC.signal(number, None)
    LIBC.sigprocmask(SIG_SETMASK, bytes(128), None)
