"""One connection at the door: HTTP/1.1 with a bound on everything, so that no program inside can hold or fill us."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from serai.errors import ExhaustedError, InternalError, InvalidError, SeraiError
from serai.protocols.http import (
    NEED_DATA,
    ConnectionClosed,
    Data,
    EndOfMessage,
    Limits,
    RemoteProtocolError,
    RequestHead,
    ResponseHead,
    ServerConnection,
    response_head,
    status_line,
)
from serai.services.apps.door.answers import Answer, problem

MAX_BODY = 1536 << 10  # octets: arguments of 1 MiB, and what is said about them
CHUNK = 64 << 10  # octets read at a time
HEAD_LIMITS = Limits(request_line=4096, head=16 << 10, fields=64)
HEAD_SECONDS = 10.0  # from a connection's start, or a request's first octet, to the end of its head
BODY_SECONDS = 30.0  # for the whole body
IDLE_SECONDS = 60.0  # that a connection may wait for its next request
LINGER_SECONDS = 2.0  # for a client that is told to go to see it
WRITE_SECONDS = 30.0  # for a client to take what is written


class Request(msgspec.Struct, frozen=True):
    """A request as the routes see it: its target as it came, its body whole."""

    method: str
    target: str
    body: bytes


Handle = Callable[[Request], Awaitable[Answer]]


class Connection:
    """Serve one client until it goes, breaks HTTP, or takes too long."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, handle: Handle) -> None:
        self._reader = reader
        self._writer = writer
        self._handle = handle
        self._http = ServerConnection(HEAD_LIMITS)
        self._last = False
        self._idle = False
        self._leaving = asyncio.Event()

    async def serve(self) -> None:
        """Answer requests one after the other. Raises nothing but what is our own mistake."""
        writer = self._writer
        try:
            while not self._last:
                head = await self._head()
                if head is None:
                    return
                await self._answer(head)
            await self._linger()
        except RemoteProtocolError as error:
            await self._refuse(InvalidError(error.reason), error.status)
            await self._linger()
        except TimeoutError:
            return
        except OSError:
            return
        finally:
            writer.close()
            if writer.transport.get_write_buffer_size():
                writer.transport.abort()

    def stop(self) -> None:
        """Let the request under way be the last, cut a stream, and wait for no other one.

        Whoever follows a stream, or sends just now, sees the connection end without an answer, and asks again.
        """
        self._last = True
        self._leaving.set()
        if self._idle:
            self._writer.close()

    async def _head(self) -> RequestHead | None:
        begun = False
        while True:
            event = self._http.next_event()
            if isinstance(event, RequestHead):
                return event
            if isinstance(event, ConnectionClosed):
                return None
            self._idle = not begun
            async with asyncio.timeout(HEAD_SECONDS if begun else IDLE_SECONDS):
                data = await self._reader.read(CHUNK)
            self._idle = False
            begun = True
            self._http.receive_data(data)

    async def _answer(self, head: RequestHead) -> None:
        try:
            body = await self._body(head)
            request = Request(head.method.decode("ascii"), head.target.decode("ascii", "replace"), body)
            answer = await self._handle(request)
        except SeraiError as error:
            answer = problem(error, 413 if isinstance(error, _LargeError) else 0)
            self._last = self._last or isinstance(error, _LargeError)
        if answer.stream is not None:
            await self._stream(answer)
            self._last = True
            return
        octets = self._http.send(_head(answer, len(answer.body)))
        if head.method != b"HEAD":
            octets += self._http.send(Data(answer.body))
        await self._write(octets + self._http.send(EndOfMessage()))

    async def _body(self, head: RequestHead) -> bytes:
        if (head.fields.length or 0) > MAX_BODY:
            raise _LargeError(f"A body has at most {MAX_BODY} octets.")
        if not head.has_body:
            return b""
        if head.fields.continues:
            await self._write(b"HTTP/1.1 100 Continue\r\n\r\n")
        parts, size = [], 0
        async with asyncio.timeout(BODY_SECONDS):
            while True:
                event = self._http.next_event()
                if isinstance(event, Data):
                    parts.append(event.data)
                    size += len(event.data)
                    if size > MAX_BODY:
                        raise _LargeError(f"A body has at most {MAX_BODY} octets.")
                elif isinstance(event, EndOfMessage):
                    return b"".join(parts)
                elif event is NEED_DATA:
                    self._http.receive_data(await self._reader.read(CHUNK))
                else:
                    raise InternalError("A body ended oddly.")

    async def _stream(self, answer: Answer) -> None:
        """Send a stream; it ends with the connection, so that a cut one can't be taken for a whole."""
        await self._write(self._http.send(_head(answer, None)))
        gone = asyncio.ensure_future(self._reader.read(1))  # nothing is to come: it is the client that goes
        leaving = asyncio.ensure_future(self._leaving.wait())
        stream: Any = answer.stream
        try:
            async with contextlib.aclosing(stream):
                while True:
                    item = asyncio.ensure_future(anext(stream, None))
                    await asyncio.wait({item, gone, leaving}, return_when=asyncio.FIRST_COMPLETED)
                    if not item.done():
                        item.cancel()
                        await asyncio.wait({item})
                        return
                    data = item.result()
                    if data is None:
                        await self._write(self._http.send(EndOfMessage()))
                        return
                    await self._write(self._http.send(Data(data)))
        finally:
            gone.cancel()
            leaving.cancel()
            await asyncio.wait({gone, leaving})

    async def _linger(self) -> None:
        """Take what still comes for a moment: who is cut off while it sends never reads our answer."""
        with contextlib.suppress(OSError, TimeoutError):
            if self._writer.can_write_eof():
                self._writer.write_eof()
            async with asyncio.timeout(LINGER_SECONDS):
                while await self._reader.read(CHUNK):
                    pass

    async def _write(self, data: bytes) -> None:
        self._writer.write(data)
        async with asyncio.timeout(WRITE_SECONDS):
            await self._writer.drain()

    async def _refuse(self, error: SeraiError, status: int) -> None:
        answer = problem(error, status)
        with contextlib.suppress(OSError, TimeoutError):
            await self._write(_head(answer, len(answer.body)).forward + b"Connection: close\r\n\r\n" + answer.body)


class _LargeError(ExhaustedError):
    """A body is too large: 413, and the connection ends, since the rest of it is not read."""


def _head(answer: Answer, length: int | None) -> ResponseHead:
    fields = {"Content-Type": answer.kind, **answer.headers}
    if length is not None:
        fields["Content-Length"] = str(length)
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items()).encode()
    return response_head(status_line(answer.status) + lines + b"\r\n", HEAD_LIMITS)
