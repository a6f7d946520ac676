"""The proxy from inside: what it lets out, what it tells, and what it says to nonsense."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import pytest

from serai.errors import InvalidError, UnavailableError
from serai.services.apps.git import outside
from serai.services.apps.git.outside import Bounds, Outside, look_up
from serai.services.apps.git.proxy import Proxy
from serai.services.apps.git.source import Place, Source
from serai.services.apps.git.token import Token

OWN = Place("git.test", 8443)


async def resolve(host: str, _port: int) -> tuple[str, ...]:
    """Know three names, and addresses."""
    names = {"git.test": ("10.0.0.7", "127.0.0.1"), "inner.test": ("10.0.0.7",), "none.test": ()}
    if host == "away.test":
        raise UnavailableError("The name away.test can't be looked up now.")
    return names.get(host, (host,))


OUTSIDE = Outside(networks=("127.0.0.0/8",), resolve=resolve, bounds=Bounds(idle=5, connect=1, connections=3))


@contextlib.asynccontextmanager
async def opened(outside: Outside = OUTSIDE, token: Token | None = None) -> AsyncIterator[tuple[Proxy, int]]:
    proxy, listener = Proxy(outside, token), socket.socket()
    await proxy.listen(listener, 0)
    try:
        yield proxy, listener.getsockname()[1]
    finally:
        await proxy.close()


@contextlib.asynccontextmanager
async def echo() -> AsyncIterator[int]:
    """A server that sends back what it gets, and ends when its client does; give its port."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def say(port: int, head: str, more: bytes = b"") -> bytes:
    """Send a head and more, and return all that comes back until the end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(head.replace("\n", "\r\n").encode() + b"\r\n\r\n" + more)
        writer.write_eof()
        async with asyncio.timeout(20):
            return await reader.read()
    finally:
        writer.close()


async def test_a_tunnel_carries_octets_both_ways_until_both_ends_are_done() -> None:
    data = bytes(range(256)) * 8192
    async with echo() as far, opened() as (proxy, port):
        said = await say(port, f"CONNECT 127.0.0.1:{far} HTTP/1.1", data)
        assert said == b"HTTP/1.1 200 OK\r\n\r\n" + data
        assert (proxy.trouble, proxy.received) == ("", len(data))


@pytest.mark.parametrize(
    ("target", "status", "why"),
    [
        ("inner.test:443", 403, "inner.test leads to a private network: the platform does not fetch from there."),
        ("169.254.169.254:443", 403, "169.254.169.254 leads to a link's own network"),
        ("[::ffff:10.0.0.1]:443", 403, "leads to a private network"),
        ("none.test:443", 403, "none.test leads to nowhere"),
        ("127.0.0.1:25", 403, "Git is fetched from port 443"),
        ("away.test:443", 502, "can't be looked up now"),
        ("127.0.0.1:1", 403, "Git is fetched from port 443"),
    ],
)
async def test_what_is_kept_back_is_told_to_both_sides(target: str, status: int, why: str) -> None:
    async with opened() as (proxy, port):
        assert (await say(port, f"CONNECT {target} HTTP/1.1")).startswith(f"HTTP/1.1 {status} ".encode())
        assert why in proxy.trouble


async def test_of_several_addresses_those_that_may_be_are_tried_and_silence_ends() -> None:
    async with echo() as far, opened() as (proxy, port):
        assert await say(port, f"CONNECT git.test:{far} HTTP/1.1", b"x") == b"HTTP/1.1 200 OK\r\n\r\nx"
        assert proxy.trouble == ""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        nobody = closed.getsockname()[1]
    async with opened() as (proxy, port):
        assert b" 502 " in await say(port, f"CONNECT git.test:{nobody} HTTP/1.1")
        assert proxy.trouble == f"git.test:{nobody} does not answer."


async def test_a_token_is_given_to_its_own_host_alone() -> None:
    token = Token(OWN, "me", "s3cret")
    assert "s3cret" not in repr(token)
    async with opened(token=token) as (proxy, port):
        assert (await say(port, "GET token HTTP/1.1\nHost: other.test:8443")).startswith(b"HTTP/1.1 404 ")
        assert (await say(port, "GET token HTTP/1.1\nHost: git.test")).startswith(b"HTTP/1.1 404 ")
        assert (await say(port, "GET token HTTP/1.1\nHost: git.test:8443")).endswith(b"username=me\npassword=s3cret\n")
        await say(port, "DELETE token HTTP/1.1\nHost: other.test:8443")
        assert (proxy.asked, proxy.refused) == (True, False)
        await say(port, "DELETE token HTTP/1.1\nHost: git.test:8443")
        assert proxy.refused
    async with opened() as (proxy, port):
        assert (await say(port, "GET token HTTP/1.1\nHost: git.test:8443")).startswith(b"HTTP/1.1 404 ")


async def test_nonsense_gets_no_way_out() -> None:
    async with opened() as (proxy, port):
        for head in ("GET / HTTP/1.1\nHost: git.test", "CONNECT x", "\x00\x01", "CONNECT 127.1:443 HTTP/1.1"):
            assert (await say(port, head)).startswith(b"HTTP/1.1 400 "), head
        assert await say(port, "CONNECT " + "x" * 100_000) == b""
        assert (proxy.trouble, proxy.received) == ("", 0)


async def test_more_tunnels_than_there_may_be_are_kept_back() -> None:
    async with echo() as far, opened() as (proxy, port):
        writers = []
        for _ in range(3):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(f"CONNECT 127.0.0.1:{far} HTTP/1.1\r\n\r\n".encode())
            assert b" 200 " in await reader.readuntil(b"\r\n\r\n")
            writers.append(writer)
        assert (await say(port, f"CONNECT 127.0.0.1:{far} HTTP/1.1")).startswith(b"HTTP/1.1 503 ")
        assert proxy.trouble == "It opens too many connections."
        for writer in writers:
            writer.close()


async def test_what_is_more_than_may_come_ends_the_tunnel() -> None:
    small = Outside(networks=("127.0.0.0/8",), resolve=resolve, bounds=Bounds(transfer=1 << 20))
    async with echo() as far, opened(small) as (proxy, port):
        with contextlib.suppress(OSError):
            assert len(await say(port, f"CONNECT 127.0.0.1:{far} HTTP/1.1", bytes(3 << 20))) < 2 << 20
        assert proxy.trouble == "The repository sends more than 1 MiB."


async def test_a_source_is_looked_up_early_and_a_silent_resolver_is_no_reason_to_refuse_it() -> None:
    for host in ("inner.test", "10.0.0.1", "[::1]", "none.test"):
        with pytest.raises(InvalidError, match="does not fetch from there") as error:
            await look_up(Source(url=f"https://{host}/x"), OUTSIDE)
        assert error.value.fields["path"] == "git.url"
        assert "10.0.0.7" not in error.value.public, "where inner names lead is nobody's business"
    for host in ("git.test", "away.test"):
        await look_up(Source(url=f"https://{host}/x"), OUTSIDE)


async def test_names_are_looked_up_as_the_host_does() -> None:
    assert set(await outside.resolve("localhost", 443)) & {"127.0.0.1", "::1"}
    assert await outside.resolve("192.0.2.7", 443) == ("192.0.2.7",)
    for name in ("nothing.invalid", "x" * 64, "a..b"):
        with pytest.raises((InvalidError, UnavailableError)):
            await outside.resolve(name, 443)
