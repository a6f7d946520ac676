"""Nudges between the processes of a host that have a store open: a datagram to one of those that wait for work.

Each has a Unix socket in a folder beside the file, which only the file's owner may enter: so who may nudge is who may
write to the store. The socket's name tells its queues; the datagram says nothing. One is told, since it is one who gets
the task: several that woke at once would hinder each other. The rest are told by the bus, and by their polls.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path

_AT_ONCE = 16  # nudges read before the event loop turns; the kernel keeps ten or so (net.unix.max_dgram_qlen)
_MOST = 256  # sockets looked at
_QUEUES = 16  # of one listener: what a file's name holds
_AGAIN = 5.0  # seconds until the next attempt to make a socket where that can't be


class Nudger:
    """Tell one of those who listen to a queue, each in its turn; on one thread at a time, and waiting for nobody."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._socket: socket.socket | None = None
        self._turn = 0

    def tell(self, queues: Iterable[str]) -> None:
        """Say that queues have work; sockets that nobody has any more are removed."""
        with contextlib.suppress(OSError), _opened(self._folder) as folder:
            names = os.listdir(folder)[:_MOST]  # noqa: PTH208 - of a descriptor
            for mark in {_mark(queue) for queue in queues}:
                self._tell_one(folder, [name for name in names if mark in name])

    def close(self) -> None:
        """Close the socket."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _tell_one(self, folder: int, names: list[str]) -> None:
        self._turn += 1
        for index in range(len(names)):
            if self._send(folder, names[(self._turn + index) % len(names)]):
                return

    def _send(self, folder: int, name: str) -> bool:
        if self._socket is None:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            self._socket.sendto(b"", _path(folder, name))
        except ConnectionRefusedError:  # its process was killed; a name is never used again
            with contextlib.suppress(OSError):
                os.unlink(name, dir_fd=folder)
            return False
        except OSError:  # it has not even read the last ones, or is leaving just now
            return False
        return True


async def listen(folder: Path, queues: Sequence[str], heard: Callable[[], None]) -> None:
    """Tell when queues have work, until cancelled; where no socket can be made yet, from when it can."""
    loop = asyncio.get_running_loop()
    while True:
        try:
            sock, name = _enter(folder, queues)
        except OSError:
            await asyncio.sleep(_AGAIN)
        else:
            break
    loop.add_reader(sock, _read, sock, heard)
    try:
        heard()  # something may have been missed
        await loop.create_future()
    finally:
        loop.remove_reader(sock)
        sock.close()
        with contextlib.suppress(OSError):
            (folder / name).unlink()


def _read(sock: socket.socket, heard: Callable[[], None]) -> None:
    with contextlib.suppress(OSError):
        for _ in range(_AT_ONCE):
            sock.recv(1)
    heard()


def _enter(folder: Path, queues: Sequence[str]) -> tuple[socket.socket, str]:
    """Return a socket in the folder, and its name there."""
    owner = folder.parent.stat()
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
        if os.geteuid() == 0:
            os.chown(folder, owner.st_uid, owner.st_gid, follow_symlinks=False)
    name = "".join([*(_mark(queue) for queue in queues[:_QUEUES]), secrets.token_hex(8)])
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    try:
        with _opened(folder) as descriptor:
            sock.bind(_path(descriptor, name))
            os.chmod(name, 0o600, dir_fd=descriptor)
            if os.geteuid() == 0:
                os.chown(name, owner.st_uid, owner.st_gid, dir_fd=descriptor, follow_symlinks=False)
    except BaseException:
        sock.close()
        raise
    return sock, name


@lru_cache(256)
def _mark(queue: str) -> str:
    """Return what a listener's name has in it for a queue."""
    return f"{blake2b(queue.encode(), digest_size=6).hexdigest()}-"


@contextlib.contextmanager
def _opened(folder: Path) -> Iterator[int]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _path(folder: int, name: str) -> str:
    """Return a path that fits into a socket's address however long the folder's is (unix(7): 108 octets)."""
    return f"/proc/self/fd/{folder}/{name}"
