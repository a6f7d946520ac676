"""What programs answer, and how their bodies are framed."""

from __future__ import annotations

import pytest

from serai.protocols.http import Limits, RemoteProtocolError, response_head

LIMITS = Limits()


def head(*lines: str, first: str = "HTTP/1.1 200 OK") -> bytes:
    return "".join(f"{line}\r\n" for line in (first, *lines)).encode("latin-1") + b"\r\n"


REFUSED = {
    "both framings": head("Content-Length: 1", "Transfer-Encoding: chunked"),
    "two lengths": head("Content-Length: 1", "Content-Length: 2"),
    "a coding in HTTP/1.0": head("Transfer-Encoding: chunked", first="HTTP/1.0 200 OK"),
    "another coding": head("Transfer-Encoding: gzip"),
    "a bare LF": head("A: b\nB: c"),
    "a folded line": head("A: b", " c"),
    "no version": head(first="200 OK"),
    "a status of four digits": head(first="HTTP/1.1 2000 OK"),
    "a status out of range": head(first="HTTP/1.1 600 Odd"),
    "a control in the reason": head(first="HTTP/1.1 200 O\x01K"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_an_answer_is_refused_that_has(name: str) -> None:
    with pytest.raises(RemoteProtocolError) as error:
        response_head(REFUSED[name], LIMITS)
    assert error.value.status == 502


def test_the_usual_answer_is_understood() -> None:
    got = response_head(head("Content-Length: 3", "Connection: keep-alive", "Server: x"), LIMITS)
    assert (got.status, got.length, got.keep_alive) == (200, 3, True)
    assert got.forward == b"HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 3\r\n"


def test_a_reason_may_be_missing_and_is_never_passed_on() -> None:
    assert response_head(head(first="HTTP/1.1 404"), LIMITS).forward == b"HTTP/1.1 404 Not Found\r\n"
    assert response_head(head(first="HTTP/1.1 299 Mine"), LIMITS).forward == b"HTTP/1.1 299 \r\n"


def test_the_framing_depends_on_the_question() -> None:
    answer = response_head(head("Content-Length: 3"), LIMITS)
    assert (answer.framing(b"GET"), answer.framing(b"HEAD")) == (3, 0)
    assert response_head(head("Transfer-Encoding: chunked"), LIMITS).framing(b"GET") == -1
    assert response_head(head(), LIMITS).framing(b"GET") is None
    for status in (204, 304):
        assert response_head(head("Content-Length: 3", first=f"HTTP/1.1 {status} x"), LIMITS).framing(b"GET") == 0


def test_204_loses_a_length_that_it_must_not_have() -> None:
    assert b"Content-Length" not in response_head(head("Content-Length: 3", first="HTTP/1.1 204 x"), LIMITS).forward


def test_the_connection_is_used_again_only_where_both_agree() -> None:
    assert not response_head(head("Connection: close"), LIMITS).keep_alive
    assert not response_head(head(first="HTTP/1.0 200 OK"), LIMITS).keep_alive
    assert response_head(head("Connection: Keep-Alive", first="HTTP/1.0 200 OK"), LIMITS).keep_alive
