"""Conditions and ranges: less than a whole file, where a client has some of it (RFC 9110 §13, §14)."""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import parsedate_to_datetime

from serai.services.edge.static_plan import Entry, FileBody, StaticPlan, plain

#: The fields that ask for less than the whole.
CONDITIONS = (b"range", b"if-none-match", b"if-modified-since", b"if-match", b"if-unmodified-since")


def conditional(entry: Entry, method: bytes, headers: Mapping[bytes, bytes]) -> StaticPlan:
    """Evaluate preconditions in the order of RFC 9110 §13.2.2, then the range."""
    if (match := headers.get(b"if-match")) is not None:
        if not _matches(match, entry.etag):
            return plain(412, b"The file has changed.\n")
    elif (since := _date(headers.get(b"if-unmodified-since"))) is not None and entry.modified > since:
        return plain(412, b"The file has changed.\n")
    if (match := headers.get(b"if-none-match")) is not None:
        if _matches(match, entry.etag):
            return _not_modified(entry)
    elif (since := _date(headers.get(b"if-modified-since"))) is not None and entry.modified <= since:
        return _not_modified(entry)
    if method == b"GET" and b"range" in headers and _range_applies(entry, headers.get(b"if-range")):
        return _partial(entry, headers[b"range"])
    return entry.whole


def _matches(header: bytes, etag: bytes) -> bool:
    tags = {tag.strip().removeprefix(b"W/") for tag in header.split(b",")}
    return b"*" in tags or etag in tags


def _date(header: bytes | None) -> float | None:
    """Return an HTTP date in seconds since the epoch; an unreadable one is ignored (RFC 9110 §13.1.3)."""
    if header is None or len(header) > 64:
        return None
    try:
        return parsedate_to_datetime(header.decode("ascii")).timestamp()
    except (ValueError, OverflowError):
        return None


def _not_modified(entry: Entry) -> StaticPlan:
    kept = tuple(pair for pair in entry.whole.headers if pair[0] in {b"ETag", b"Last-Modified", b"Vary"})
    return StaticPlan(304, kept, b"")


def _range_applies(entry: Entry, condition: bytes | None) -> bool:
    """Tell whether If-Range (RFC 9110 §13.1.5) lets the range count: a strong tag, or the exact date."""
    if condition is None:
        return True
    return condition.strip() == entry.etag or _date(condition) == entry.modified


def _partial(entry: Entry, header: bytes) -> StaticPlan:
    """Answer one range with 206, an impossible one with 416; several at once get the whole (RFC 9110 §14.2)."""
    size = entry.file.size
    unit, _, wanted = header.partition(b"=")
    first, dash, last = wanted.strip().partition(b"-")
    good = unit.strip() == b"bytes" and dash and (first or last) and len(wanted) < 64
    if not good or not (first + last).isdigit():
        return entry.whole
    if not first:
        start, end = max(size - int(last), 0), size - 1
    else:
        start, end = int(first), min(int(last), size - 1) if last else size - 1
        if last and int(last) < start:
            return entry.whole  # malformed, hence ignored
    if start >= size or start > end:
        return plain(416, b"No such range.\n", (b"Content-Range", b"bytes */%d" % size))
    length = end - start + 1
    body = entry.whole.body
    part = body[start : end + 1] if isinstance(body, bytes) else FileBody(entry.file, start, length)
    headers = tuple(pair for pair in entry.whole.headers if pair[0] != b"Content-Length")
    extra = ((b"Content-Range", b"bytes %d-%d/%d" % (start, end, size)), (b"Content-Length", b"%d" % length))
    return StaticPlan(206, headers + extra, part)
