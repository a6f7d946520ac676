"""Where a head ends, and what is wrong with it before it has ended."""

from __future__ import annotations

from serai.protocols.http.errors import RemoteProtocolError
from serai.protocols.http.grammar import BARE
from serai.protocols.http.limits import Limits

END = b"\r\n\r\n"


def head_end(data: bytes, limits: Limits, start: int = 0) -> int:
    """Return the length of the head that ``data`` begins with, its empty line included, or -1 while it is incomplete.

    ``start`` octets were looked at before. Which error is raised depends on the octets alone, never on how they were
    cut into segments: the first mistake by position counts. Raises `RemoteProtocolError` (400, 414, 431).
    """
    found = data.find(END, max(start - 3, 0))
    end = found + 4 if found >= 0 else -1
    seen = end if end >= 0 else len(data)
    mistakes = []
    # A CR at the very end of what came may still get its LF.
    bare = BARE.search(data, max(start - 1, 0), seen - 1 if end < 0 and data.endswith(b"\r") else seen)
    if bare is not None:
        mistakes.append((bare.start(), "A line does not end in CRLF.", 400))
    line = data.find(b"\r\n", 0, limits.request_line + 2)
    if line < 0 and seen > limits.request_line + 1:
        mistakes.append((limits.request_line + 1, "The request line is too long.", 414))
    if seen > limits.head:
        mistakes.append((limits.head, "The head is too large.", 431))
    if mistakes:
        _, reason, status = min(mistakes)
        raise RemoteProtocolError(reason, status)
    return end
