"""Connections to the API: kept, bounded, and honest about what did not come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serai.console.wire import Answer, Request, Wire
from serai.errors import DeadlineError, ExhaustedError, InternalError, SeraiError, UnavailableError

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
FIELDS = ((b"host", b"console.localhost"),)
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


@asynccontextmanager
async def api(path: Path, handler: Handler) -> AsyncIterator[list[Any]]:
    """Serve with a handler; what is yielded holds the connections there were."""
    seen: list[asyncio.StreamWriter] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(writer)
        try:
            await handler(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            writer.close()

    server = await asyncio.start_unix_server(handle, path)
    try:
        yield seen
    finally:
        server.close()
        for writer in seen:
            writer.transport.abort()


def saying(octets: bytes) -> Handler:
    """Return a handler that answers each request with these octets."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(octets)

    return handle


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "front.sock"


@pytest.fixture
async def wire(path: Path) -> AsyncIterator[Wire]:
    made = Wire(path, calls=4, seconds=5.0)
    yield made
    made.close()


def get(target: str = "/") -> Request:
    return Request("GET", target, FIELDS)


async def test_reads_share_a_connection_and_writes_have_their_own(wire: Wire, path: Path) -> None:
    async with api(path, saying(OK)) as seen:
        for _ in range(3):
            _, body = await wire.call(get())
            assert body == b"ok"
        assert len(seen) == 1
        await wire.call(Request("POST", "/", FIELDS))
        assert len(seen) == 2


async def test_a_read_on_a_connection_that_closed_meanwhile_is_made_again(wire: Wire, path: Path) -> None:
    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK)
        await reader.readuntil(b"\r\n\r\n")
        writer.close()

    async with api(path, once) as seen:
        for _ in range(4):
            assert (await wire.call(get()))[1] == b"ok"
        assert len(seen) == 4


async def test_where_nothing_listens_the_api_is_away(wire: Wire) -> None:
    with pytest.raises(UnavailableError):
        await wire.call(get())


@pytest.mark.parametrize(
    ("octets", "error"),
    [
        (b"", UnavailableError),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort", UnavailableError),
        (b"220 ready\r\n\r\n", InternalError),
        (b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 20000 + b"\r\n", InternalError),
    ],
)
async def test_what_is_no_answer_is_told_as_what_it_is(
    wire: Wire, path: Path, octets: bytes, error: type[SeraiError]
) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(octets)
        await writer.drain()
        writer.close()

    async with api(path, handle):
        with pytest.raises(error):
            await wire.call(get())


async def test_an_answer_that_does_not_come_has_a_deadline(path: Path) -> None:
    async def handle(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read()

    wire = Wire(path, seconds=0.05)
    async with api(path, handle):
        with pytest.raises(DeadlineError):
            await wire.call(get())
        with pytest.raises(DeadlineError):
            async with wire.stream(get()):
                pass


async def test_a_stream_is_read_as_it_comes(wire: Wire, path: Path) -> None:
    more = asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n")
        await more.wait()
        writer.write(b"3\r\ntwo\r\n0\r\n\r\n")

    async with api(path, handle), wire.stream(get()) as answer:
        pieces = answer.pieces()
        assert await anext(pieces) == b"one"
        more.set()
        assert [piece async for piece in pieces] == [b"two"]


async def test_an_upload_of_any_length_goes_through(wire: Wire, path: Path) -> None:
    size = 0

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal size
        assert b"transfer-encoding: chunked" in await reader.readuntil(b"\r\n\r\n")
        while length := int(await reader.readline(), 16):
            size += len((await reader.readexactly(length + 2))[:-2])
        writer.write(OK)

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(64):
            yield b"x" * 65536
            yield b""

    async with api(path, handle):
        _, body = await wire.upload(Request("PUT", "/v1/blobs", FIELDS, pieces()))
    assert (body, size) == (b"ok", 64 * 65536)


async def test_an_upload_ends_with_an_answer_that_comes_early(wire: Wire, path: Path) -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 65536

    async with api(path, saying(b"HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n")):
        answer, _ = await wire.upload(Request("PUT", "/v1/blobs", FIELDS, endless()))
    assert answer.status == 413


async def test_an_upload_whose_sender_left_is_cut_off(wire: Wire, path: Path) -> None:
    async def gone() -> AsyncIterator[bytes]:
        yield b"x"
        raise ExhaustedError("The visitor sends no more.")

    async def handle(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with api(path, handle):
        with pytest.raises(ExhaustedError):
            await wire.upload(Request("PUT", "/v1/blobs", FIELDS, gone()))


async def test_requests_beyond_the_limit_wait_their_turn(path: Path) -> None:
    wire = Wire(path, calls=2, seconds=5.0)
    gate, most, now = asyncio.Event(), 0, 0

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal most, now
        while True:
            await reader.readuntil(b"\r\n\r\n")
            now += 1
            most = max(most, now)
            await gate.wait()
            now -= 1
            writer.write(OK)

    async with api(path, handle):
        asking = [asyncio.create_task(wire.call(get())) for _ in range(6)]
        while now < 2:
            await asyncio.sleep(0)
        gate.set()
        assert [body for _, body in await asyncio.gather(*asking)] == [b"ok"] * 6
    wire.close()
    assert most == 2


@given(st.binary(max_size=400), st.integers(1, 50))
def test_octets_are_an_answer_or_an_error_of_the_house(octets: bytes, step: int) -> None:
    async def read() -> None:
        reader = asyncio.StreamReader()
        data = b"HTTP/1.1 200 OK\r\n" + octets
        for at in range(0, len(data), step):
            reader.feed_data(data[at : at + step])
        reader.feed_eof()
        answer = Answer(reader)
        try:
            await answer.begin()
            await answer.read()
        except SeraiError:
            return

    asyncio.run(read())
