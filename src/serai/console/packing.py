"""Pages go compressed over the wire where the browser takes it: lists of links pack to a seventh.

Only what answers a GET: what shows a secret, once, answers a POST. The one secret of other pages, the token of forms,
is written differently each time, so that nobody learns it from how well a page packs (BREACH, 2013).
"""

from __future__ import annotations

import gzip
from typing import Any

from litestar.types import Send

LEAST = 1000  # octets: what is shorter fits a packet or two anyhow
LEVEL = 5


def packing(scope: Any, send: Send) -> Send:
    """Return what compresses an answer on its way, if it is a page that is whole and the browser takes gzip."""
    encodings = next((value for name, value in scope["headers"] if name == b"accept-encoding"), b"")
    if scope["method"] != "GET" or b"gzip" not in encodings:
        return send
    begun: list[Any] = []

    async def pack(message: Any) -> None:
        if message["type"] == "http.response.start" and _is_page(message["headers"]):
            begun.append(message)
            return
        if begun:
            start = begun.pop()
            body = message.get("body", b"")
            if not message.get("more_body") and len(body) >= LEAST:
                message = {**message, "body": gzip.compress(body, LEVEL, mtime=0)}
                start = {**start, "headers": _fields(start["headers"], len(message["body"]))}
            await send(start)
        await send(message)

    return pack


def _is_page(fields: Any) -> bool:
    given = dict(fields)
    return b"content-encoding" not in given and given.get(b"content-type", b"").startswith(b"text/html")


def _fields(fields: Any, length: int) -> list[tuple[bytes, bytes]]:
    kept = [(name, value) for name, value in fields if name != b"content-length"]
    size = (b"content-length", b"%d" % length)
    return [*kept, size, (b"content-encoding", b"gzip"), (b"vary", b"accept-encoding")]
