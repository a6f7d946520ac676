"""Ports for servers that a test starts by number."""

from __future__ import annotations

import fcntl
import functools
import os
import socket
import tempfile
from pathlib import Path
from typing import IO

#: Below those that the kernel gives to clients (ip_local_port_range), who might take one between choice and use.
_choice = iter(range(16_000, 32_000))


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody has, and that nobody gets from here again while this process lives."""
    for port in _choice:
        try:
            fcntl.lockf(_locks(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        return port
    raise OSError("No port is free.")


@functools.cache
def _locks() -> IO[str]:
    """Open the file whose octet N is locked by who has port N: tests run side by side, in processes of their own."""
    return Path(tempfile.gettempdir(), f"serai-ports-{os.geteuid()}").open("w")
