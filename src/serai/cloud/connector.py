"""Sockets that were made inside an instance's network namespace.

A program listens on 127.0.0.1 of its own network namespace, which nobody else can reach. Its shim, which lives in the
same namespace, listens on a Unix socket; who connects to that and sends one octet N (1 to 32) gets N unconnected,
non-blocking TCP sockets back by SCM_RIGHTS, made in that namespace. The holder connects them to 127.0.0.1:port by
itself, as often as it needs. No octet of traffic passes a third process.
"""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path

from serai.errors import UnavailableError

MAX_SOCKETS = 32
LONGEST_PATH = 107  # octets; unix(7)


async def sockets(connector: str, count: int = 1, *, deadline: float = 2.0) -> list[socket.socket]:
    """Return ``count`` unconnected sockets of the instance behind ``connector``.

    Raises `UnavailableError` where the shim is gone or does not answer within ``deadline`` seconds.
    """
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as control:
        control.setblocking(False)
        try:
            async with asyncio.timeout(deadline):
                # connect() to a Unix socket succeeds or fails at once; EAGAIN means a full backlog.
                connect(control, connector)
                await loop.sock_sendall(control, bytes([count]))
                readable = loop.create_future()
                loop.add_reader(control.fileno(), _wake, readable)
                try:
                    await readable
                finally:
                    loop.remove_reader(control.fileno())
                data, fds, _, _ = socket.recv_fds(control, 1, MAX_SOCKETS)
        except (OSError, TimeoutError) as error:
            raise UnavailableError("The instance can't be reached.", connector=connector) from error
    if len(fds) != count or not data:
        for fd in fds:
            socket.socket(fileno=fd).close()
        raise UnavailableError("The instance can't be reached.", connector=connector)
    return [socket.socket(fileno=fd) for fd in fds]


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def connect(control: socket.socket, connector: str) -> None:
    """Connect to a Unix socket, however long its path; raise OSError where that fails."""
    if len(os.fsencode(connector)) <= LONGEST_PATH:
        control.connect(connector)
        return
    # A home deep down: the folder by its descriptor makes any path short.
    path = Path(connector)
    folder = os.open(path.parent, os.O_PATH | os.O_CLOEXEC)
    try:
        control.connect(f"/proc/self/fd/{folder}/{path.name}")
    finally:
        os.close(folder)
