"""What is said at the proxy is one of three things, or nothing that it knows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serai.errors import InvalidError
from serai.services.apps.git.source import Place
from serai.services.apps.git.wire import Ask, answer, parse

PLACE = Place("git.example.org", 8443)


def head(*lines: str) -> bytes:
    return "\r\n".join([*lines, "", ""]).encode()


def test_the_three_requests_are_known() -> None:
    told = ("Host: x", "User-Agent: git/2.39.5", "Proxy-Connection: Keep-Alive")
    assert parse(head("CONNECT git.example.org:8443 HTTP/1.1", *told)) == Ask("connect", PLACE)
    assert parse(head("CONNECT [2001:db8::1]:443 HTTP/1.0")) == Ask("connect", Place("2001:db8::1"))
    assert parse(head("GET token HTTP/1.1", "Host: git.example.org:8443")) == Ask("token", PLACE)
    assert parse(head("DELETE token HTTP/1.1", "host:git.example.org:8443")) == Ask("refused", PLACE)


@pytest.mark.parametrize(
    "lines",
    [
        ("GET http://git.example.org/ HTTP/1.1", "Host: git.example.org"),
        ("GET /token HTTP/1.1", "Host: git.example.org"),
        ("GET token HTTP/1.1",),
        ("GET token HTTP/1.1", "Host: a.test", "Host: b.test"),
        ("CONNECT HTTP/1.1",),
        ("CONNECT unix:/run/x HTTP/1.1",),
        ("CONNECT 127.1:443 HTTP/1.1",),
        ("CONNECT git.example.org:443 HTTP/2",),
        ("CONNECT git.example.org:443 HTTP/1.1", " folded: x"),
        ("CONNECT git.example.org:443 HTTP/1.1", "Host : x"),
        ("POST token HTTP/1.1", "Host: git.example.org"),
        ("",),
    ],
)
def test_all_else_is_refused(lines: tuple[str, ...]) -> None:
    with pytest.raises(InvalidError):
        parse(head(*lines))


@given(
    st.binary(max_size=200), st.sampled_from([b"", b"CONNECT ", b"GET token HTTP/1.1\r\n", b"CONNECT a:1 HTTP/1.1\r\n"])
)
def test_any_octets_are_a_request_or_refused(data: bytes, begin: bytes) -> None:
    try:
        ask = parse(begin + data + b"\r\n\r\n")
    except InvalidError:
        return
    assert 1 <= ask.place.port <= 65535


def test_the_answer_to_a_connect_has_no_length() -> None:
    assert answer(200) == b"HTTP/1.1 200 OK\r\n\r\n"
    assert answer(404) == b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
    assert answer(200, "ü") == b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n\xc3\xbc"
