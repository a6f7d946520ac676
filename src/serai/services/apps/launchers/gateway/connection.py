"""The HTTP/1.1 side of one connection: how requests begin, how their bodies and answers end."""

from __future__ import annotations

import contextlib
import re
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import quote

from .environment import prefix_of
from .output import TOKEN
from .paths import ReplyError
from .read import unchunk

LINGER = 2.0  # seconds for a client to see its answer, when it still sends what nobody reads
IDLE = 75.0  # seconds between two requests, and between two reads of a body


class Connection(BaseHTTPRequestHandler):
    """Read heads and bodies strictly, and never leave half an answer that looks whole."""

    protocol_version = "HTTP/1.1"
    timeout = IDLE
    started = False  # whether the head of the answer is out
    unread = False  # whether some of the request's body is not read
    feeder: threading.Thread | None = None  # reads the body into the program
    query = ""
    length = 0

    def version_string(self) -> str:
        """Name nothing that has a version."""
        return "serai"

    def log_message(self, *_: Any) -> None:
        """Leave the access log to the edge."""

    def log_error(self, format: str, *args: Any) -> None:  # noqa: A002  the base class's
        """Write to the program's own log."""
        sys.stderr.write(f"cgi: {format % args}\n")

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
