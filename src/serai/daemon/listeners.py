"""Opening of sockets: the one `listen` for TCP, UDP and Unix sockets, IPv4 and IPv6."""

from __future__ import annotations

import errno
import os
import socket
import stat
from collections.abc import Mapping
from pathlib import Path

from serai.daemon.address import Address
from serai.errors import AlreadyExistsError, DeniedError, InvalidError, SeraiError, UnavailableError

BACKLOG = 4096  # connections; the kernel bounds it by net.core.somaxconn
#: Mode of a Unix socket whose address names none: its owner and the platform's common group.
UNIX_MODE = 0o660


def listen(address: Address, *, copies: int = 1, group: int = -1) -> list[socket.socket]:
    """Open an address: one socket a host, non-blocking and close-on-exec.

    UDP gets ``copies`` sockets a host, bound together by SO_REUSEPORT, so that each worker reads its own. ``group`` is
    the group ID that a Unix socket is given (-1: leave it). ``*`` opens IPv4 alone on a host without IPv6. Raises
    `AlreadyExistsError` where the address is taken, `DeniedError` where the user may not, `InvalidError` where the
    host has no such address.
    """
    opened: list[socket.socket] = []
    try:
        if address.transport == "unix":
            opened.append(_unix(address, group))
        else:
            _inet(address, copies, opened)
    except OSError as error:
        for sock in opened:
            sock.close()
        raise _refusal(address, error) from error
    return opened


def _inet(address: Address, copies: int, opened: list[socket.socket]) -> None:
    port = address.port
    for host in address.hosts:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        for _ in range(copies if address.transport == "udp" else 1):
            try:
                sock = _bind(address, family, host, port)
            except OSError as error:
                missing = error.errno in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)
                if family == socket.AF_INET6 and missing and len(address.hosts) > 1:
                    break  # a host without IPv6: IPv4 is what "both" means there
                raise
            opened.append(sock)
            port = sock.getsockname()[1]  # a port the kernel chose holds for all hosts and copies


def _bind(address: Address, family: socket.AddressFamily, host: str, port: int) -> socket.socket:
    kind = socket.SOCK_DGRAM if address.transport == "udp" else socket.SOCK_STREAM
    sock = socket.socket(family, kind)
    try:
        if kind == socket.SOCK_DGRAM:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        else:
            # For TCP on Linux this only allows binding while old connections are in TIME_WAIT.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            # IPv4 has sockets of its own: peers then never appear as ::ffff:192.0.2.1.
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((host, port))
        if kind == socket.SOCK_STREAM:
            sock.listen(BACKLOG)
        sock.setblocking(False)
    except BaseException:
        sock.close()
        raise
    return sock


def _unix(address: Address, group: int) -> socket.socket:
    path = Path(address.path)
    _remove_stale(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.bind(str(path))
        # Nobody can connect before listen(), so the mode is right from the first connection on.
        path.chmod(address.mode or UNIX_MODE)
        os.chown(path, -1, group)
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except BaseException:
        sock.close()
        raise
    return sock


def _remove_stale(path: Path) -> None:
    """Remove a socket file that nobody listens on; anything else there is a mistake that we don't delete."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise InvalidError(f"{path} is in the way: it is a file, not a socket.")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE)) from error
        else:
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))


def _refusal(address: Address, error: OSError) -> SeraiError:
    known: Mapping[int | None, tuple[type[SeraiError], str]] = {
        errno.EADDRINUSE: (AlreadyExistsError, "another program listens there already"),
        errno.EACCES: (DeniedError, "this user may not listen there"),
        errno.EPERM: (DeniedError, "this user may not listen there"),
        errno.EADDRNOTAVAIL: (InvalidError, "this host has no such address"),
        errno.ENOENT: (InvalidError, "its folder does not exist"),
    }
    kind, why = known.get(error.errno, (UnavailableError, os.strerror(error.errno or 0)))
    return kind(f"Can't listen on {address.text}: {why}.", address=address.text)
