"""Connections to the API's front socket: HTTP/1.1, kept alive, bounded in number, size and time.

A request that may not be sent twice goes on a new connection: one that rests may be closing at this moment, since the
API is replaced now and then. The supervisor holds the listening socket, so a new one waits there for the next worker.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httptools
import msgspec

from serai.api.answers import MAX_ANSWER
from serai.errors import DeadlineError, ExhaustedError, InternalError, UnavailableError

Fields = list[tuple[bytes, bytes]]
Body = bytes | AsyncIterator[bytes]
Line = tuple[asyncio.StreamReader, asyncio.StreamWriter]

SAFE = frozenset({"GET", "HEAD"})
KEPT = 16  # resting connections
PIECE = 65536  # octets that are read at a time
MAX_HEAD = 65536  # octets of all header fields of an answer
MAX_STREAMS = 128  # answers that go on
QUIET = 60.0  # seconds; the API sends a sign of life more often on what goes on


class Request(msgspec.Struct, frozen=True):
    """What is asked: ``target`` is path and query in ASCII, ``fields`` the header fields, host included."""

    method: str
    target: str
    fields: tuple[tuple[bytes, bytes], ...]
    body: Body = b""


class Answer:
    """A status, header fields (names in lower case), and a body that is read once."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader
        self._parser = httptools.HttpResponseParser(self)
        self._pieces: deque[bytes] = deque()
        self._octets = 0
        self._has_head = False
        self._keeps = False
        self.status = 0
        self.fields: Fields = []
        self.complete = False
        self.early = False  # it came before the request was through

    def field(self, name: bytes) -> str:
        """Return the first of a header field's values, "" where there is none."""
        return next((value for key, value in self.fields if key == name), b"").decode("latin-1")

    async def begin(self) -> None:
        """Read up to the end of the head."""
        while not self._has_head:
            await self._feed()

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield the body as it comes."""
        while True:
            while self._pieces:
                yield self._pieces.popleft()
            if self.complete:
                return
            await self._feed()

    async def read(self) -> bytes:
        """Return the whole body; `ExhaustedError` where it is larger than an answer may be."""
        read, size = [], 0
        async for piece in self.pieces():
            size += len(piece)
            if size > MAX_ANSWER:
                raise ExhaustedError("The platform's answer is too large.")
            read.append(piece)
        return b"".join(read)

    @property
    def reusable(self) -> bool:
        """Tell whether another request may follow on the connection."""
        return self._keeps and not self.early

    async def _feed(self) -> None:
        data = await self._reader.read(PIECE)
        if not data:
            raise UnavailableError("The platform's API ended the connection.", outcome="unknown")
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError as error:
            raise InternalError("The platform's answer has too large a head.") from error
        except httptools.HttpParserError as error:
            raise InternalError("The platform's answer is not HTTP.") from error

    # What the parser calls:

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header field."""
        self._octets += len(name) + len(value) + 4  # colon, space, line end
        if self._octets > MAX_HEAD:
            raise ExhaustedError("The head is too large.")
        self.fields.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """Know the status."""
        self.status = self._parser.get_status_code()
        self._has_head = True

    def on_body(self, data: bytes) -> None:
        """Take a part of the body."""
        self._pieces.append(data)

    def on_message_complete(self) -> None:
        """Know that it is whole."""
        self.complete = True
        self._keeps = bool(self._parser.should_keep_alive())  # here only: afterwards the parser has forgotten


class Wire:
    """Send requests to the Unix socket at ``path``: ``calls`` at a time, each answered within ``seconds``."""

    def __init__(self, path: Path, *, calls: int = 64, seconds: float = 20.0) -> None:
        self._path = str(path)
        self._seconds = seconds
        self._calls = asyncio.Semaphore(calls)
        self._streams = asyncio.Semaphore(MAX_STREAMS)
        self._resting: list[Line] = []

    async def call(self, request: Request) -> tuple[Answer, bytes]:
        """Return an answer with its whole body; `UnavailableError` and `DeadlineError` where there is none."""
        try:
            async with asyncio.timeout(self._seconds), self._calls, self._sent(request) as answer:
                return answer, await answer.read()
        except TimeoutError:
            raise DeadlineError("The platform's API does not answer in time.") from None

    @asynccontextmanager
    async def stream(self, request: Request) -> AsyncIterator[Answer]:
        """Give an answer of which the head is here; its body may go on for as long as it likes."""
        if self._streams.locked():
            raise ExhaustedError("Too many streams are open.", temporary=True, retry_after=10)
        async with self._streams, self._sent(request, self._seconds) as answer:
            yield answer

    async def upload(self, request: Request) -> tuple[Answer, bytes]:
        """Send a body of any length, and return the answer; the API says itself how long it waits for a part."""
        async with self._streams, self._sent(request, None) as answer:
            return answer, await answer.read()

    def close(self) -> None:
        """End the connections that rest."""
        for _, writer in self._resting:
            writer.close()
        self._resting.clear()

    @asynccontextmanager
    async def _sent(self, request: Request, seconds: float | None = None) -> AsyncIterator[Answer]:
        line, answer = await self._begin(request, seconds)
        try:
            yield answer
        except OSError as error:
            raise UnavailableError("The platform's API ended the connection.", outcome="unknown") from error
        finally:
            if answer.reusable and len(self._resting) < KEPT and not line[1].is_closing():
                self._resting.append(line)
            else:
                line[1].close()

    async def _begin(self, request: Request, seconds: float | None) -> tuple[Line, Answer]:
        while request.method in SAFE and self._resting:
            line = self._resting.pop()
            reader, writer = line
            if reader.at_eof() or writer.is_closing():
                writer.close()
                continue
            with suppress(UnavailableError):  # it closed while it rested
                return line, await self._ask(line, request, seconds)
        line = await self._connect()
        return line, await self._ask(line, request, seconds)

    async def _connect(self) -> Line:
        try:
            return await asyncio.open_unix_connection(self._path)
        except OSError as error:
            raise UnavailableError("The platform's API can't be reached.", reason=str(error)) from error

    async def _ask(self, line: Line, request: Request, seconds: float | None) -> Answer:
        """Send a request and return its answer up to the end of the head."""
        reader, writer = line
        answer = Answer(reader)
        try:
            async with asyncio.timeout(seconds):
                writer.write(_head(request))
                if isinstance(request.body, bytes):
                    writer.write(request.body)
                    await answer.begin()
                else:
                    await _pour(writer, request.body, answer)
        except TimeoutError:
            writer.close()
            raise DeadlineError("The platform's API does not answer in time.") from None
        except OSError as error:
            writer.close()
            raise UnavailableError("The platform's API ended the connection.", outcome="unknown") from error
        except BaseException:
            writer.close()
            raise
        return answer


async def _pour(writer: asyncio.StreamWriter, body: AsyncIterator[bytes], answer: Answer) -> None:
    """Send a body of unknown length (RFC 9112 section 7.1); its answer may come before it is through, and ends it."""
    loop = asyncio.get_running_loop()
    sending, heading = loop.create_task(_send(writer, body)), loop.create_task(answer.begin())
    try:
        await asyncio.wait({sending, heading}, return_when=asyncio.FIRST_COMPLETED)
        if sending.done():
            sending.result()  # whoever brought the body may have gone
        else:
            answer.early = True
        await heading
    finally:
        sending.cancel()
        heading.cancel()


async def _send(writer: asyncio.StreamWriter, body: AsyncIterator[bytes]) -> None:
    with suppress(OSError):  # a broken pipe: it has answered before it read everything, and the answer says why
        async for piece in body:
            if piece:  # an empty chunk would end the body
                writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
                await writer.drain()
        writer.write(b"0\r\n\r\n")
        await writer.drain()


def _head(request: Request) -> bytes:
    lines = [f"{request.method} {request.target} HTTP/1.1\r\n".encode("ascii")]
    lines += [b"%b: %b\r\n" % pair for pair in request.fields]
    if not isinstance(request.body, bytes):
        lines.append(b"transfer-encoding: chunked\r\n")
    elif request.body or request.method not in SAFE:
        lines.append(b"content-length: %d\r\n" % len(request.body))
    return b"".join((*lines, b"\r\n"))
