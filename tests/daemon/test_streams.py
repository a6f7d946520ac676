from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from serai.daemon.streams import kept_alive


async def test_a_quiet_stream_shows_that_it_lives() -> None:
    turn = asyncio.Event()
    closed = False

    async def source() -> AsyncIterator[bytes]:
        nonlocal closed
        try:
            yield b"one\n"
            await turn.wait()
            yield b"two\n"
            yield b"three\n"
        finally:
            closed = True

    stream = kept_alive(source(), quiet=0.01)
    assert [await anext(stream) for _ in range(3)] == [b"one\n", b"\n", b"\n"]
    turn.set()
    rest = [piece async for piece in stream]
    assert [piece for piece in rest if piece != b"\n"] == [b"two\n", b"three\n"]
    assert closed


async def test_a_stream_that_nobody_reads_any_more_ends_its_source() -> None:
    closed = False

    async def source() -> AsyncIterator[bytes]:
        nonlocal closed
        try:
            yield b"one\n"
            await asyncio.get_running_loop().create_future()
        finally:
            closed = True

    async with contextlib.aclosing(kept_alive(source(), quiet=0.01)) as stream:
        assert await anext(stream) == b"one\n"
        assert await anext(stream) == b"\n"
    assert closed


async def test_what_goes_wrong_in_the_source_is_raised() -> None:
    async def source() -> AsyncIterator[bytes]:
        yield b"one\n"
        raise ValueError("broken")

    stream = kept_alive(source())
    assert await anext(stream) == b"one\n"
    with pytest.raises(ValueError, match="broken"):
        await anext(stream)
