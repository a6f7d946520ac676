"""Who is at the other end of a Unix socket, as the kernel says."""

from __future__ import annotations

import socket
import struct

import msgspec

_UCRED = struct.Struct("3i")  # unix(7): struct ucred


class Peer(msgspec.Struct, frozen=True):
    """A process that connected: its ID, user and group, as this process's namespaces number them.

    The user is what counts: the ID may be another process's by now.
    """

    pid: int
    uid: int
    gid: int


def peer_of(sock: socket.socket) -> Peer:
    """Ask the kernel who connected (SO_PEERCRED: fixed at connect time, so passing the socket on changes nothing)."""
    return Peer(*_UCRED.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)))
