"""Hand out sockets that were made in this network namespace; the protocol is `serai.cloud.connector`'s."""

from __future__ import annotations

import os
import sys
from _socket import AF_INET, AF_UNIX, SCM_RIGHTS, SOCK_SEQPACKET, SOCK_STREAM, SOL_SOCKET, socket

MAX_SOCKETS = 32
MAX_CLIENTS = 64
NEW = SOCK_STREAM | os.O_NONBLOCK | os.O_CLOEXEC


class Doors:
    """The Unix socket ``connector`` in the current folder, open to its owner and group."""

    def __init__(self, owner: int, group: int) -> None:
        self.listener = socket(AF_UNIX, SOCK_SEQPACKET | os.O_NONBLOCK | os.O_CLOEXEC)
        mask = os.umask(0o117)
        try:
            self.listener.bind("connector")
        finally:
            os.umask(mask)
        if group >= 0:
            os.chown("connector", owner, group)
        self.listener.listen(128)
        self.clients: dict[int, socket] = {}

    def accept(self) -> socket | None:
        """Take one client in, or None; the oldest silent one makes room."""
        try:
            fd, _ = self.listener._accept()  # type: ignore[attr-defined]  # the stubs leave it out
        except OSError:
            return None
        if len(self.clients) >= MAX_CLIENTS:
            self.clients.pop(next(iter(self.clients))).close()
        client = socket(fileno=fd)
        client.setblocking(False)
        self.clients[fd] = client
        return client

    def serve(self, fd: int) -> None:
        """Answer the client behind ``fd`` and let it go."""
        client = self.clients.pop(fd, None)
        if client is None:
            return
        made: list[socket] = []
        try:
            asked = client.recv(2)
            if len(asked) == 1 and 1 <= asked[0] <= MAX_SOCKETS:
                made = [socket(AF_INET, NEW) for _ in range(asked[0])]
                rights = b"".join(one.fileno().to_bytes(4, sys.byteorder) for one in made)
                client.sendmsg([asked], [(SOL_SOCKET, SCM_RIGHTS, rights)])
        except OSError:  # it went away, or there are no descriptors left: it will ask again
            pass
        finally:
            client.close()
            for one in made:
                one.close()
