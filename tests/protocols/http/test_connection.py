"""Octets to events: the same ones, however the octets are cut."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serai.protocols.http import (
    NEED_DATA,
    PAUSED,
    ClientConnection,
    ConnectionClosed,
    Data,
    EndOfMessage,
    Limits,
    LocalProtocolError,
    RemoteProtocolError,
    RequestHead,
    ResponseHead,
    ServerConnection,
)
from serai.protocols.http.connection import simple_response

SMALL = Limits(request_line=40, head=120, fields=5, chunk_line=20, chunk_extra=30, trailers=40)

FRAGMENTS = st.sampled_from(
    [
        b"GET / HTTP/1.1\r\n",
        b"POST /a?b HTTP/1.1\r\n",
        b"GET /" + b"x" * 50 + b" HTTP/1.1\r\n",
        b"GET / HTTP/1.0\r\n",
        b"Host: a\r\n",
        b"Content-Length: 5\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"X: " + b"y" * 60 + b"\r\n",
        b"\r\n",
        b"\n",
        b"\r",
        b" ",
        b"\0",
        b"hello",
        b"5\r\nhello\r\n",
        b"0\r\n\r\n",
        b"3;x=y\r\nabc\r\n",
        b"Connection: close\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    ]
)
STREAMS = st.lists(FRAGMENTS | st.binary(max_size=8), max_size=10).map(b"".join)


def events(octets: bytes, cuts: list[int]) -> list[object]:
    """Serve a stream of requests, each answered at once; join what belongs together."""
    connection = ServerConnection(SMALL)
    seen: list[object] = []
    edges = [0, *sorted(cuts), len(octets)]
    segments = [octets[start:end] for start, end in pairwise(edges)]
    for segment in [*[each for each in segments if each], b""]:
        connection.receive_data(segment)
        while True:
            try:
                event = connection.next_event()
            except RemoteProtocolError as error:
                return [*seen, error.status]
            if event is NEED_DATA:
                break
            if event is PAUSED:
                connection.send(simple_response(200, (), 0))
                connection.send(EndOfMessage())
            elif isinstance(event, ConnectionClosed):
                return [*seen, event]
            elif isinstance(event, Data) and seen and isinstance(seen[-1], Data):
                seen[-1] = Data(seen[-1].data + event.data)
            else:
                seen.append(event)
    return seen


@settings(max_examples=400, deadline=None)
@given(STREAMS, st.data())
def test_any_stream_gives_the_same_events_in_any_segments(octets: bytes, data: st.DataObject) -> None:
    cuts = data.draw(st.lists(st.integers(0, len(octets)), max_size=12))
    assert events(octets, []) == events(octets, cuts) == events(octets, list(range(len(octets))))


def test_pipelined_requests_come_out_in_order_and_each_waits_for_its_answer() -> None:
    server = ServerConnection()
    server.receive_data(b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n")
    first = server.next_event()
    assert isinstance(first, RequestHead)
    assert first.target == b"/1"
    assert server.next_event() == EndOfMessage()
    assert server.next_event() is PAUSED
    assert server.send(simple_response(200, ((b"A", b"b"),), 2)) == (
        b"HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 2\r\n\r\n"
    )
    assert server.send(Data(b"ok")) + server.send(EndOfMessage()) == b"ok"
    second = server.next_event()
    assert isinstance(second, RequestHead)
    assert second.target == b"/2"


def test_an_answer_of_unknown_length_is_chunked_except_for_http_1_0() -> None:
    for version, expected in (
        (b"1.1", b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"),
        (b"1.0", b"Connection: close\r\n\r\nok"),
    ):
        server = ServerConnection()
        server.receive_data(b"GET / HTTP/%b\r\nHost: a\r\n\r\n" % version)
        server.next_event()
        client = ClientConnection()
        client.request(b"GET", b"/", b"a")
        client.receive_data(b"HTTP/1.1 200 OK\r\n\r\nok")
        head = client.next_event()
        assert isinstance(head, ResponseHead)
        octets = server.send(head) + server.send(Data(b"ok")) + server.send(EndOfMessage())
        assert octets == b"HTTP/1.1 200 OK\r\n" + expected


def test_a_body_of_another_length_than_promised_is_our_bug() -> None:
    server = ServerConnection()
    server.receive_data(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    server.next_event()
    server.send(simple_response(200, (), 2))
    with pytest.raises(LocalProtocolError):
        server.send(Data(b"abc"))
    with pytest.raises(LocalProtocolError):
        server.send(EndOfMessage())


def test_a_client_skips_interim_answers_and_refuses_those_that_nobody_asked_for() -> None:
    client = ClientConnection()
    assert client.request(b"GET", b"/", b"a") == b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    client.receive_data(b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\n\r\n")
    head = client.next_event()
    assert isinstance(head, ResponseHead)
    assert head.status == 204
    assert client.next_event() == EndOfMessage()
    with pytest.raises(RemoteProtocolError):
        client.next_event()


def test_a_client_cannot_be_made_to_send_two_requests_for_one() -> None:
    with pytest.raises(LocalProtocolError):
        ClientConnection().request(b"GET", b"/ HTTP/1.1\r\nHost: b\r\n\r\nGET /", b"a")
    with pytest.raises(LocalProtocolError):
        ClientConnection().request(b"GET", b"/", b"a", ((b"A", b"b\r\nB: c"),))
