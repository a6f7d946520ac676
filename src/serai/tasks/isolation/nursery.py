"""The process that forks isolated runs: one thread, few modules, nothing to lose.

    python -m serai.tasks.isolation.nursery CONTROL PARENT

For each message on the socket CONTROL, which brings two more (data, status), it forks a warden. It ends when that
socket does, and dies with the process PARENT.
"""

from __future__ import annotations

import os
import signal
import socket
import sys

from serai.tasks.isolation import cell, warden


def main() -> None:
    """Serve until the bot is gone."""
    control = socket.socket(fileno=int(sys.argv[1]))
    warden.die_with_parent(signal.SIGKILL)
    if os.getppid() != int(sys.argv[2]):
        return
    # A terminal's Ctrl-C is for the bot, which ends its runs as it wants to.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for wardens: they tell the bot how it went
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, 16, 2)
        if not message:
            return
        if len(descriptors) == 2:
            _fork(control, *descriptors)
        for descriptor in descriptors:
            os.close(descriptor)


def _fork(control: socket.socket, data: int, status: int) -> None:
    parent = os.getpid()
    try:
        pid = os.fork()
    except OSError:
        return  # the bot sees both sockets end
    if pid:
        return
    try:
        control.close()
        warden.main(lambda: cell.main(data), parent, status)
    finally:
        os._exit(70)


if __name__ == "__main__":
    main()
