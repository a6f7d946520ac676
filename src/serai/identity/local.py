"""Who is at the other end of a Unix socket, as the kernel says it."""

from __future__ import annotations

import os
import socket
import struct
from pathlib import Path

import msgspec

from serai.identity.principals import Grant, Principal

_UCRED = struct.Struct("3i")  # pid, uid, gid: struct ucred of unix(7)

LOCAL_OPERATOR = Principal(kind="user", name="root", grants=(Grant("operator"),))


class Peer(msgspec.Struct, frozen=True):
    """A process that connected: its ID, user and group, as this process's namespaces number them."""

    pid: int
    uid: int
    gid: int


def peer_of(sock: socket.socket) -> Peer:
    """Ask the kernel who connected (SO_PEERCRED: fixed at connect time, so passing the socket on changes nothing)."""
    return Peer(*_UCRED.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)))


def local_principal(peer: Peer, owner: int) -> Principal | None:
    """Return the operator for root and for the user ``owner`` of the home, None for everyone else.

    Where the platform itself runs as a plain user, tenants' programs are that same user in namespaces of their own.
    Such a peer is not its owner, whatever its number says: it must live in this process's user namespace.
    """
    if peer.uid == 0:
        return LOCAL_OPERATOR
    if peer.uid != owner:
        return None
    if peer.uid == os.geteuid() and not _shares_user_namespace(peer.pid):
        return None
    return LOCAL_OPERATOR


def _shares_user_namespace(pid: int) -> bool:
    try:
        # Fails when the peer is gone, or when the kernel won't let us look: both are reasons for no.
        return Path(f"/proc/{pid}/ns/user").readlink() == Path("/proc/self/ns/user").readlink()
    except OSError:
        return False
