"""Reading what a client says: its body's coding, its conditions."""

from __future__ import annotations

import re
from email.utils import parsedate_to_datetime
from io import BufferedIOBase
from typing import IO

from .paths import ReplyError

MAX_SPOOLED = 32 << 20  # octets of a body without a length: a program is told CONTENT_LENGTH before it starts


def unchunk(stream: BufferedIOBase, spool: IO[bytes]) -> int:
    """Write a chunked body to ``spool`` as what it means; return its octets. `ReplyError` 400, 413."""
    total = 0
    while True:
        line = stream.readline(1024)
        size = re.match(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\r\n]*)?\r\n\Z", line)
        if size is None:
            raise ReplyError(400)
        count = int(size[1], 16)
        total += count
        if total > MAX_SPOOLED:
            raise ReplyError(413)
        if count == 0:
            break
        data = stream.read(count)
        if len(data) != count or stream.read(2) != b"\r\n":
            raise ReplyError(400)
        spool.write(data)
    for _ in range(100):  # trailers are read and dropped
        if stream.readline(8192) in {b"\r\n", b""}:
            return total
    raise ReplyError(400)


def unchanged(since: str | None, modified: float) -> bool:
    """Say whether a file is as old as If-Modified-Since says (RFC 9110 section 13.1.3)."""
    try:
        return since is not None and parsedate_to_datetime(since).timestamp() >= int(modified)
    except (ValueError, TypeError, IndexError, OverflowError):
        return False
