"""One request in, at most one request out: whatever is sent, in whatever segments."""

from __future__ import annotations

import random
from contextlib import suppress
from itertools import pairwise
from typing import Any

import pytest

from serai.protocols.http import NEED_DATA, PAUSED, EndOfMessage, RemoteProtocolError, RequestHead, ServerConnection
from serai.protocols.http.connection import simple_response

PIECES = [
    b"GET /1 HTTP/1.1\r\n",
    b"POST /2 HTTP/1.1\r\n",
    b"POST /3 HTTP/1.0\r\n",
    b"Host: a.test\r\n",
    b"Host: a.test\r\n",
    b"Content-Length: 5\r\n",
    b"Content-Length: 0\r\n",
    b"Content-Length : 30\r\n",
    b"Content_Length: 30\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: identity\r\n",
    b"Transfer-Encoding:\x0bchunked\r\n",
    b"Connection: close, content-length\r\n",
    b"Connection: keep-alive, transfer-encoding\r\n",
    b"X: y\r\n z\r\n",
    b"X: y\nEvil: z\r\n",
    b"\r\n",
    b"\r\n",
    b"\n",
    b"\r",
    b"hello",
    b"5\r\nhello\r\n",
    b"5;a=b\r\nhello\r\n",
    b"0005\r\nhello\r\n",
    b"0\r\n\r\n",
    b"0\r\nHost: b\r\n\r\n",
    b"GET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n",
    b"POST /4 HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"POST /5 HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\n",
]


def understood(octets: bytes) -> list[bytes]:
    """Return the request lines that a strict reader finds in the whole."""
    server = ServerConnection()
    server.receive_data(octets)
    lines = []
    with suppress(RemoteProtocolError):
        while (event := server.next_event()) is not NEED_DATA:
            if isinstance(event, RequestHead):
                lines.append(event.method + b" " + event.target)
            elif event is PAUSED:
                server.send(simple_response(200, (), 0))
                server.send(EndOfMessage())
            elif not hasattr(event, "data") and not isinstance(event, EndOfMessage):
                break
    return lines


@pytest.mark.parametrize("seed", range(8))
async def test_a_program_sees_only_requests_that_were_understood_each_once_and_in_order(stage, seed: int) -> None:
    seen: list[Any] = []
    stage.route()
    await stage.program(stage.recorder(seen))
    await stage.start(linger_seconds=0.05, body_seconds=5)
    choose = random.Random(seed)
    for _ in range(40):
        octets = b"".join(choose.choices(PIECES, k=choose.randint(2, 12)))
        if choose.random() < 0.5:
            octets = choose.choice(PIECES[-2:]) + octets
        cuts = sorted(choose.randint(0, len(octets)) for _ in range(choose.randint(0, 5)))
        seen.clear()
        # Many of these end a connection to the program as it begins: its descriptor must be closed once only, or the
        # next connection loses its own.
        client = await stage.client()
        for start, end in pairwise([0, *cuts, len(octets)]):
            client.send(octets[start:end])
            await client.writer.drain()
        client.writer.write_eof()
        await client.rest()
        expected = understood(octets)
        got = [each.line for each in seen]
        # The last one may have been cut off by the end of the stream, or refused for its body.
        assert got == expected[: len(got)], octets
        assert len(got) >= len(expected) - 1, octets
