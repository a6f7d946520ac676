"""The bot's side of the socket to a runner: frames, and the pipe that takes all output of what it runs."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from serai.errors import InvalidError, UnavailableError

LONGEST = 2 << 20  # octets of a frame
CHUNK = 64 << 10  # octets read of the output at a time
RATE = 1 << 20  # octets of output that are taken in a second; who writes faster waits
LINE = 4000  # characters of a line; longer ones are cut


class Door:
    """A listening socket in a folder that one sandbox sees, for one connection."""

    def __init__(self, folder: Path, gid: int | None) -> None:
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._sock.setblocking(False)
        bind_in(self._sock, folder, "bot.sock", gid)
        self._sock.listen(1)

    async def accept(self) -> socket.socket:
        """Return the connection; nobody else gets in afterwards."""
        sock, _ = await asyncio.get_running_loop().sock_accept(self._sock)
        self.close()
        return sock

    def close(self) -> None:
        """Stop listening."""
        self._sock.close()


def bind_in(sock: socket.socket, folder: Path, name: str, gid: int | None, mode: int = 0o660) -> None:
    """Bind a Unix socket to a name in a folder, however long its path, in place of one that is there.

    ``gid``'s users may connect; None: whoever the folder lets in, which is its owner.
    """
    fd = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    new = f"{name}.{os.urandom(4).hex()}"
    try:
        sock.bind(f"/proc/self/fd/{fd}/{new}")
        path = folder / new
        if gid is not None:
            os.chown(path, -1, gid)
        path.chmod(mode)
        path.rename(folder / name)
    finally:
        os.close(fd)


class Frames:
    """Send and receive frames."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def greet(cls, sock: socket.socket, output: int) -> Frames:
        """Hand the output's descriptor over with the first frame."""
        sock.setblocking(True)
        sock.settimeout(1.0)
        socket.send_fds(sock, [b"\0\0\0\2"], [output])
        sock.sendall(b"{}")
        sock.setblocking(False)
        reader, writer = await asyncio.open_connection(sock=sock, limit=CHUNK)
        return cls(reader, writer)

    async def send(self, message: dict[str, Any]) -> None:
        """Send one; `UnavailableError` where the runner is gone."""
        data = msgspec.json.encode(message)
        try:
            self._writer.write(len(data).to_bytes(4, "big") + data)
            await self._writer.drain()
        except OSError as error:
            raise UnavailableError("The runner is gone.") from error

    async def receive(self) -> dict[str, Any]:
        """Return the next; `UnavailableError` where the runner is gone, `InvalidError` where it sends nonsense."""
        try:
            length = int.from_bytes(await self._reader.readexactly(4), "big")
            if length > LONGEST:
                raise InvalidError("The runner sent too much.")
            data = await self._reader.readexactly(length)
        except (OSError, asyncio.IncompleteReadError) as error:
            raise UnavailableError("The runner is gone.") from error
        try:
            return msgspec.json.decode(data, type=dict[str, Any])
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise InvalidError("The runner sent nonsense.") from error

    def close(self) -> None:
        """Hang up: the runner ends."""
        self._writer.close()


class Output:
    """Lines of a pipe, to whoever listens just now; nothing is kept, and a flood makes its writer wait."""

    def __init__(self) -> None:
        self._fd, self.writer = os.pipe()
        os.set_blocking(self._fd, False)
        self._rest = b""
        self._listener: Callable[[str], None] | None = None
        self._loop = asyncio.get_running_loop()
        self._taken, self._since = 0, 0.0
        self._open = True
        self._loop.add_reader(self._fd, self._read)

    def handed_over(self) -> None:
        """Close our copy of the writing end."""
        os.close(self.writer)
        self.writer = -1

    def listen(self, listener: Callable[[str], None] | None) -> None:
        """Give lines to ``listener`` from now on."""
        self._listener = listener

    def drain(self) -> None:
        """Take what has been written by now, also a last line without an end."""
        for _ in range(2 * RATE // CHUNK):
            if not self._take():
                break
        if self._rest:
            self._tell(self._rest)
            self._rest = b""

    def close(self) -> None:
        """Let go."""
        if self._open:
            self._open = False
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
        if self.writer >= 0:
            self.handed_over()

    def _read(self) -> None:
        now = self._loop.time()
        if now - self._since >= 1.0:
            self._taken, self._since = 0, now
        self._take()
        if self._open and self._taken >= RATE:
            self._loop.remove_reader(self._fd)
            self._loop.call_at(self._since + 1.0, self._resume)

    def _resume(self) -> None:
        if self._open:
            self._loop.add_reader(self._fd, self._read)

    def _take(self) -> bool:
        try:
            data = os.read(self._fd, CHUNK) if self._open else b""
        except BlockingIOError:
            return False
        if not data:
            if self._open:
                self._loop.remove_reader(self._fd)
            return False
        self._taken += len(data)
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > CHUNK:
            lines.append(self._rest)
            self._rest = b""
        for line in lines:
            self._tell(line)
        return True

    def _tell(self, line: bytes) -> None:
        if self._listener is not None:
            text = line[: 4 * LINE].decode("utf-8", "replace").rstrip("\r")[:LINE]
            self._listener(
                "".join(one if one.isprintable() or one == "\t" else "\N{REPLACEMENT CHARACTER}" for one in text)
            )
