"""Uploads: octets of any length, streamed to the blob store and named by their hash."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator
from typing import Any

import msgspec
import structlog
from litestar import Request, Router, put
from litestar.exceptions import HTTPException
from litestar.params import FromQuery

from serai.api.depend import Ctx
from serai.daemon.home import Home
from serai.store.blobs import Blobs

TOO_LARGE = 413
PIECE = 256 * 1024  # octets handed to the disk at a time

log = structlog.get_logger("api")


class Stored(msgspec.Struct, frozen=True):
    """A blob: its SHA-256 in hexadecimal, and its size in octets."""

    blob: str
    size: int


def router(limit: int) -> Router:
    """Return the route, bound to the size of the largest upload, in octets."""

    @put("/v1/blobs", action="blob.write", status_code=201, summary="Upload octets", operation_id="putBlob", body=bytes)
    async def upload(request: Request[Any, Any, Any], ctx: Ctx, tenant: FromQuery[str] = "") -> Stored:
        """Store the body, whatever its type; what is there already is stored once. ``tenant`` says whose it is."""
        if int(request.headers.get("content-length", "0")) > limit:
            raise _too_large(limit)
        blob = await Blobs(Home(ctx.home).blobs).put(_bounded(request.stream(), limit), limit=limit)
        log.info("blob.stored", tenant=tenant[:64], blob=blob.id, size=blob.size)
        return Stored(blob.id, blob.size)

    # The stream is bounded here, by `limit`; nothing else may be.
    return Router("/", route_handlers=[upload], request_max_body_size=None)


async def _bounded(chunks: AsyncIterable[bytes], limit: int) -> AsyncIterator[bytes]:
    """Yield the same octets in larger pieces, and stop at the limit."""
    piece = bytearray()
    size = 0
    async for chunk in chunks:
        size += len(chunk)
        if size > limit:
            raise _too_large(limit)
        piece += chunk
        if len(piece) >= PIECE:
            yield bytes(piece)
            piece.clear()
    yield bytes(piece)


def _too_large(limit: int) -> HTTPException:
    return HTTPException(f"An upload has at most {limit} octets.", status_code=TOO_LARGE)
