"""What is asked for, and what answers: a file, or a program of its own for each request."""

from __future__ import annotations

import contextlib
import mimetypes
import os
import subprocess
import tempfile
import threading
from email.utils import formatdate
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

from .connection import Connection
from .environment import Request, environment, prefix_of
from .output import CHUNK, Output, end
from .paths import Found, ReplyError, resolve
from .read import unchanged

if TYPE_CHECKING:
    from .server import Server

WAIT = 10.0  # seconds for a free place
MAX_REDIRECTS = 5


class Handler(Connection):
    """Answer the requests of one connection: with a file, or with what a program says."""

    server: Server

    def __getattr__(self, name: str) -> Any:
        # The base class looks for do_METHOD: programs decide on methods, so that any token is one.
        if name.startswith("do_"):
            return self.serve
        raise AttributeError(name)

    def serve(self) -> None:
        """Answer one request, whatever its method."""
        self.started = self.unread = False
        self.feeder = None
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
