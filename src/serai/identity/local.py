"""Whom the platform takes a local process for, by what the kernel says of it."""

from __future__ import annotations

import os
from pathlib import Path

from serai.bus.peer import Peer
from serai.identity.principals import Grant, Principal

LOCAL_OPERATOR = Principal(kind="user", name="root", grants=(Grant("operator"),))


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
