"""The HTTP/1.1 side of one connection: what is asked for, what is sent."""

from __future__ import annotations

import contextlib
import mimetypes
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import quote, unquote_to_bytes

from .environment import Request, environment, prefix_of
from .output import CHUNK, TOKEN, Output, end
from .paths import Found, ReplyError, resolve
from .read import unchanged, unchunk

if TYPE_CHECKING:
    from .server import Server

WAIT = 10.0  # seconds for a free place
LINGER = 2.0  # seconds for a client to see its answer, when it still sends what nobody reads
IDLE = 75.0  # seconds between two requests, and between two reads of a body
MAX_REDIRECTS = 5


class Handler(BaseHTTPRequestHandler):
    """Serve the requests of one connection."""

    protocol_version = "HTTP/1.1"
    timeout = IDLE
    server: Server

    def __getattr__(self, name: str) -> Any:
        # The base class looks for do_METHOD: programs decide on methods, so that any token is one.
        if name.startswith("do_"):
            return self.serve
        raise AttributeError(name)

    def version_string(self) -> str:
        """Name nothing that has a version."""
        return "serai"

    def log_message(self, *_: Any) -> None:
        """Leave the access log to the edge."""

    def serve(self) -> None:
        """Answer one request, whatever its method."""
        self.started = False  # whether the head of the answer is out
        self.feeder: threading.Thread | None = None  # reads the body into the program
        self.unread = False  # whether some of the request's body is not read
        try:
            with self._body() as body:
                self._answer(unquote_to_bytes(self.path.partition("?")[0]), self.command, body)
        except ReplyError as problem:
            self._problem(problem)
        except (ConnectionError, TimeoutError):
            self.close_connection = True
        if self.unread:
            self.close_connection = True
        self._linger()

    def _linger(self) -> None:
        """Wait for the thread that reads the body, then close in two steps (RFC 9112 section 9.6).

        Closing with octets unread would reset the connection, and the client might never see its answer.
        """
        feeder = self.feeder
        if feeder is None:
            return
        feeder.join(0.1)
        if feeder.is_alive():
            self.close_connection = True
            with contextlib.suppress(OSError):
                self.connection.shutdown(socket.SHUT_WR)
            feeder.join(LINGER)
            with contextlib.suppress(OSError):
                self.connection.shutdown(socket.SHUT_RD)
            feeder.join()

    def _answer(self, path: bytes, method: str, body: IO[bytes] | None) -> None:
        for _ in range(MAX_REDIRECTS):
            try:
                found = resolve(self.server.settings, path.decode())
            except UnicodeDecodeError as error:
                raise ReplyError(400) from error
            if not found.argv:
                self._send_file(found, method)
                return
            location = self._run(found, method, body)
            if location is None:
                return
            # RFC 3875 section 6.2.2: a local redirect is answered as if it had been asked for, by GET.
            target, _, self.query = location.partition("?")
            path, method, body = unquote_to_bytes(target), "GET", None
        raise ReplyError(508)

    @contextlib.contextmanager
    def _body(self) -> Iterator[Any]:
        """Check the request's head, and give its body as a file, None where it has none."""
        lengths, codings = self.headers.get_all("content-length", []), self.headers.get_all("transfer-encoding", [])
        self.query = self.path.partition("?")[2]
        # RFC 9112 section 6.3: what could be read in two ways is refused, and the connection closed.
        if self.headers.defects or len(lengths) > 1 or (lengths and codings) or not TOKEN.match(self.command):
            self.close_connection = True
            raise ReplyError(400)
        if not self.path.startswith("/") or any(not 32 < ord(char) < 127 for char in self.path):
            raise ReplyError(400)
        self.length = 0
        if codings:
            if [item.lower() for item in codings] != ["chunked"]:
                self.close_connection = True
                raise ReplyError(501)
            self.unread = True
            with tempfile.SpooledTemporaryFile(1 << 20) as spool:
                self.length = unchunk(self.rfile, spool)
                self.unread = False
                spool.seek(0)
                yield spool
            return
        if lengths:
            if not re.fullmatch(r"\d{1,15}", lengths[0], re.ASCII):
                self.close_connection = True
                raise ReplyError(400)
            self.length = int(lengths[0])
        self.unread = self.length > 0
        yield self.rfile if self.length else None

    # What is sent

    def _head(self, status: int, headers: list[tuple[str, str]], reason: str = "") -> None:
        self.started = True
        self.send_response(status, reason or None)
        for name, value in headers:
            self.send_header(name, value)
        if self.unread:
            self.send_header("Connection", "close")
        self.end_headers()

    def _problem(self, problem: ReplyError) -> None:
        if self.started:
            self.close_connection = True  # half an answer: the end of the connection says so
            return
        headers = [("Content-Type", "text/plain; charset=utf-8")]
        if problem.status == 301:
            query = f"?{self.query}" if self.query else ""
            headers.append(("Location", prefix_of(self.headers) + quote(problem.text) + query))
        if problem.status == 405:
            headers.append(("Allow", "GET, HEAD"))
        reason = self.responses.get(problem.status, ("Error", ""))[0]
        text = f"{problem.status} {reason}\n".encode()
        with contextlib.suppress(OSError):
            self._head(problem.status, [*headers, ("Content-Length", str(len(text)))])
            if self.command != "HEAD":
                self.wfile.write(text)

    def _send_file(self, found: Found, method: str) -> None:
        if method not in {"GET", "HEAD"}:
            raise ReplyError(405)
        try:
            file = found.file.open("rb")
        except OSError as error:
            raise ReplyError(403) from error
        with file:
            facts = os.fstat(file.fileno())
            kind, coding = mimetypes.guess_type(found.file.name)
            kind = "application/octet-stream" if coding or kind is None else kind
            kind += "; charset=utf-8" if kind.startswith("text/") else ""
            headers = [("Last-Modified", formatdate(facts.st_mtime, usegmt=True)), ("Content-Type", kind)]
            if unchanged(self.headers.get("if-modified-since"), facts.st_mtime):
                self._head(304, headers[:1])
                return
            self._head(200, [*headers, ("Content-Length", str(facts.st_size))])
            if method == "GET":
                sent = self.connection.sendfile(file, 0, facts.st_size) if facts.st_size else 0
                self.close_connection |= sent != facts.st_size

    # Programs

    def _request(self, method: str) -> Request:
        # After a local redirect, the body is no longer anybody's.
        has_body = method == self.command and (self.length > 0 or "content-length" in self.headers)
        length = self.length if has_body else None
        client = self.client_address[0]
        return Request(method, self.path, self.query, self.request_version, self.headers, client, length)

    def _run(self, found: Found, method: str, body: IO[bytes] | None) -> str | None:
        """Run a program and send what it says; return the target of a local redirect instead."""
        places = self.server.programs
        if not places.acquire(timeout=WAIT):
            raise ReplyError(503)
        try:
            try:
                process = subprocess.Popen(
                    found.argv,
                    stdin=subprocess.PIPE if body else subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    bufsize=0,
                    cwd=found.file.parent,
                    env=environment(self.server.settings, self._request(method), found),
                    start_new_session=True,
                )
            except (OSError, ValueError) as error:
                self.log_error("cannot run %s: %s", found.name, error)
                raise ReplyError(500) from error
            try:
                if body is not None:
                    self.feeder = threading.Thread(target=self._feed, args=(process.stdin, body), daemon=True)
                    self.feeder.start()
                location = self._relay(Output(process.stdout), method)
            finally:
                end(process)
            return location
        finally:
            places.release()

    def log_error(self, format: str, *args: Any) -> None:  # noqa: A002  the base class's
        """Write to the program's own log."""
        sys.stderr.write(f"cgi: {format % args}\n")

    def _feed(self, pipe: IO[bytes] | None, body: IO[bytes]) -> None:
        """Pass the body on; where the program reads no more of it, take the rest from the client all the same."""
        left = self.length
        with contextlib.suppress(OSError, ValueError):
            while left:
                data = body.read1(min(left, CHUNK)) if hasattr(body, "read1") else body.read(min(left, CHUNK))
                if not data:
                    break
                left -= len(data)
                self.unread = left > 0 and not isinstance(body, tempfile.SpooledTemporaryFile)
                if pipe is not None:
                    try:
                        pipe.write(data)  # unbuffered: all of it, or BrokenPipeError
                    except OSError:
                        pipe = None
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()

    def _relay(self, output: Output, method: str) -> str | None:
        status, reason, headers = output.head()
        location = next((value for name, value in headers if name.lower() == "location"), "")
        if location.startswith("/") and not status and not location.startswith("//"):
            return location.removeprefix(prefix_of(self.headers))
        status = status or (302 if location else 200)
        length = next((int(value) for name, value in headers if name.lower() == "content-length"), None)
        empty = method == "HEAD" or status in {204, 304}
        chunked = length is None and not empty and self.request_version != "HTTP/1.0"
        if chunked:
            headers.append(("Transfer-Encoding", "chunked"))
        self.close_connection |= length is None and not empty and not chunked
        self._head(status, headers, reason)
        sent = 0
        while not empty and (data := output.read()):
            data = data if length is None else data[: length - sent]
            sent += len(data)
            if data:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data) if chunked else data)
            if length is not None and sent >= length:
                break
        if chunked:
            self.wfile.write(b"0\r\n\r\n")
        self.close_connection |= length is not None and not empty and sent < length
        return None
