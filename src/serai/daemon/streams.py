"""What modules stream to clients, kept alive while there is nothing to tell."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator

QUIET = 15.0  # seconds of silence after which a sign of life is sent


async def kept_alive(
    pieces: AsyncIterator[bytes], *, quiet: float = QUIET, sign: bytes = b"\n"
) -> AsyncGenerator[bytes, None]:
    """Yield pieces as they come, and ``sign`` where none has come for ``quiet`` seconds.

    Without it, everything between us and a client takes a quiet stream for a dead one, and we a dead client for a quiet
    one. The sign of JSON lines is an empty line.
    """
    coming = asyncio.ensure_future(_next(pieces))
    try:
        while True:
            await asyncio.wait({coming}, timeout=quiet)
            if not coming.done():
                yield sign
                continue
            piece = coming.result()
            if piece is None:
                return
            yield piece
            coming = asyncio.ensure_future(_next(pieces))
    finally:
        coming.cancel()
        await asyncio.wait({coming})
        if not coming.cancelled():
            coming.exception()  # it has been raised above, or nobody is left to hear it
        if isinstance(pieces, AsyncGenerator):
            with contextlib.suppress(RuntimeError):  # it ended with its last piece
                await pieces.aclose()


async def _next(pieces: AsyncIterator[bytes]) -> bytes | None:
    return await anext(pieces, None)
