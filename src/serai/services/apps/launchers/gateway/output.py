"""What a CGI program says (RFC 3875 section 6), read piece by piece, and never believed."""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import subprocess
from typing import IO

from .paths import ReplyError

CHUNK = 64 << 10
MAX_HEAD = 64 << 10  # octets of a program's header
GRACE = 1.0  # seconds between the end of its answer and its own
SILENCE = 300.0  # seconds that a program may say nothing

TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")  # RFC 9110 section 5.6.2
_STATUS = re.compile(r"(?:HTTP/\d\.\d )?([2-5]\d\d)(?: |\Z)(.*)\Z")
_OURS = frozenset({"connection", "keep-alive", "transfer-encoding", "upgrade", "trailer", "te", "date", "server"})


class Output:
    """What a program writes: a header, then a body, each piece as soon as it is there."""

    def __init__(self, pipe: IO[bytes] | None) -> None:
        if pipe is None:
            raise ValueError("The program has no pipe.")
        self.pipe = pipe
        self.buffer = b""

    def read(self) -> bytes:
        """Return the next octets, b"" at the end. `ReplyError` 504 after `SILENCE` seconds without any."""
        if self.buffer:
            data, self.buffer = self.buffer, b""
            return data
        if not select.select([self.pipe], [], [], SILENCE)[0]:
            raise ReplyError(504)
        return os.read(self.pipe.fileno(), CHUNK)

    def head(self) -> tuple[int, str, list[tuple[str, str]]]:
        """Return status (0 where none is said), reason and fields (RFC 3875 section 6.3). `ReplyError` 502."""
        data = b""
        while (end := re.search(rb"(?:\A|\r?\n)\r?\n", data)) is None:
            more = self.read()
            if not more or len(data) + len(more) > MAX_HEAD + CHUNK:
                raise ReplyError(502)
            data += more
        self.buffer = data[end.end() :]
        status, reason, headers = 0, "", list[tuple[str, str]]()
        lines = data[: end.start()].decode("latin-1").replace("\r\n", "\n").split("\n")
        if len(data) - len(self.buffer) > MAX_HEAD or len(lines) > 200 or lines == [""]:
            raise ReplyError(502)
        for line in lines:
            name, colon, value = line.partition(":")
            value = value.strip(" \t")
            if line.startswith("HTTP/"):
                name, colon, value = "Status", ":", line
            if not colon or not TOKEN.match(name) or any(ord(char) < 32 and char != "\t" for char in value):
                raise ReplyError(502)
            if name.lower() == "status":
                said = _STATUS.match(value)
                if said is None:
                    raise ReplyError(502)
                status, reason = int(said[1]), said[2]
            elif name.lower() == "content-length" and not re.fullmatch(r"[0-9]{1,18}", value):
                raise ReplyError(502)
            elif name.lower() not in _OURS:
                headers.append((name, value))
        return status, reason, headers


def end(process: subprocess.Popen[bytes]) -> None:
    """Let it end by itself for a moment, then end it and all that it started."""
    if process.stdout:
        process.stdout.close()
    pidfd = os.pidfd_open(process.pid)
    try:
        select.select([pidfd], [], [], GRACE)
    finally:
        os.close(pidfd)
    # Not reaped yet, so that its number is still its group's and nobody else's.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
