"""Large files on their way to a client: by the kernel on plain connections, in pieces through TLS."""

from __future__ import annotations

import asyncio
import os
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from serai.services.edge.exchange import Exchange
    from serai.services.edge.static_plan import FileBody

PIECE = 256 * 1024  # octets read at once where the kernel can't send the file itself
SLICE = 1 << 20  # octets that the kernel sends before others get their turn


class FileTransfer:
    """One file's way; `Exchange.finish` is called at its end."""

    __slots__ = ("_body", "_left", "_offset", "_session", "_writable")

    def __init__(self, session: Exchange, body: FileBody) -> None:
        self._session = session
        self._body = body
        self._offset = body.offset
        self._left = body.length
        self._writable = -1  # a duplicate of the socket that is watched while it is full

    def begin(self, head: bytes) -> None:
        """Send the head and as much of the file as goes at once."""
        session = self._session
        transport = session.transport
        if session.secure or transport.get_write_buffer_size():
            session.write(head)
            self.resume()
            return
        # The transport has nothing to send, so the socket is ours until the file is through.
        try:
            sent = session.sock.send(head, socket.MSG_MORE)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError:
            self._fail()
            return
        if sent < len(head):
            session.write(head[sent:])
            self.resume()
            return
        session.sent += sent
        self._push(session.sock.fileno())

    def _push(self, fd: int) -> None:
        """Let the kernel send until the socket is full."""
        before = self._left
        try:
            while self._left:
                sent = os.sendfile(fd, self._body.file.fd, self._offset, min(self._left, SLICE))
                if not sent:
                    self._fail()  # the file was cut short: the promised length can't be kept
                    return
                self._offset += sent
                self._left -= sent
                self._session.sent += sent
        except (BlockingIOError, InterruptedError):
            self._wait(fd, progress=before != self._left)
            return
        except OSError:
            self._fail()
            return
        self._done()

    def _wait(self, fd: int, *, progress: bool) -> None:
        session = self._session
        if progress:
            session.deadline = session.edge.monotonic() + session.edge.config.send_seconds
        if self._writable < 0:
            # The loop lets nobody watch a transport's own descriptor; a duplicate is another one to it.
            self._writable = os.dup(fd)
            asyncio.get_running_loop().add_writer(self._writable, self._push, self._writable)

    def resume(self) -> None:
        """Write pieces until the transport has enough."""
        session = self._session
        if self._writable >= 0:
            return
        while self._left and not session.blocked:
            piece = self._body.file.read(self._offset, min(self._left, PIECE))
            if not piece:
                self._fail()
                return
            self._offset += len(piece)
            self._left -= len(piece)
            session.write(piece)
        if not self._left:
            self._done()

    def stop(self) -> None:
        """Watch no more; safe to call twice."""
        if self._writable >= 0:
            asyncio.get_running_loop().remove_writer(self._writable)
            os.close(self._writable)
            self._writable = -1

    def _done(self) -> None:
        waited = self._writable >= 0
        self.stop()
        session = self._session
        session.transfer = None
        session.finish(session.edge.monotonic())
        if waited or session.buffer:
            asyncio.get_running_loop().call_soon(session.advance)  # the caller may stand within it

    def _fail(self) -> None:
        self.stop()
        self._session.transfer = None
        self._session.abort()
