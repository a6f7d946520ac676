"""What is refused in a request's head, and with which status; what is passed on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serai.protocols.http import Limits, RemoteProtocolError, request_head
from serai.protocols.http.request import DROPPED

LIMITS = Limits()


def head(*lines: str, first: str = "GET / HTTP/1.1", host: str | None = "Host: a.test") -> bytes:
    every = [first, *([host] if host else []), *lines]
    return "".join(f"{line}\r\n" for line in every).encode("latin-1") + b"\r\n"


REFUSED = {
    "both framings": (head("Content-Length: 1", "Transfer-Encoding: chunked"), 400),
    "two lengths": (head("Content-Length: 1", "Content-Length: 2"), 400),
    "two equal lengths": (head("Content-Length: 1", "Content-Length: 1"), 400),
    "a list of lengths": (head("Content-Length: 1, 1"), 400),
    "a signed length": (head("Content-Length: +1"), 400),
    "a hexadecimal length": (head("Content-Length: 0x1"), 400),
    "an absurd length": (head("Content-Length: 9999999999999999999"), 400),
    "a length with an underscore": (head("Content-Length: 1_0"), 400),
    "an empty length": (head("Content-Length:"), 400),
    "an unknown coding": (head("Transfer-Encoding: gzip"), 501),
    "chunked not last": (head("Transfer-Encoding: chunked, gzip"), 400),
    "chunked twice": (head("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"), 400),
    "a coding with a control": (head("Transfer-Encoding: \x0bchunked"), 400),
    "a quoted coding": (head('Transfer-Encoding: "chunked"'), 501),
    "an empty coding": (head("Transfer-Encoding: ,"), 400),
    "a coding in HTTP/1.0": (head("Transfer-Encoding: chunked", first="GET / HTTP/1.0"), 400),
    "a folded line": (head("A: b", " c"), 400),
    "a line folded by a tab": (head("A: b", "\tc"), 400),
    "a first line that is folded": (b"GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400),
    "a space before the colon": (head("A : b"), 400),
    "no colon": (head("A"), 400),
    "an empty name": (head(": b"), 400),
    "a bare CR": (head("A: b\rc"), 400),
    "a bare LF": (head("A: b\nB: c"), 400),
    "NUL": (head("A: b\0c"), 400),
    "a control": (head("A: b\x01c"), 400),
    "DEL": (head("A: b\x7fc"), 400),
    "no Host": (head(host=None), 400),
    "no Host in HTTP/1.0": (head(first="GET / HTTP/1.0", host=None), 400),
    "two Hosts": (head("Host: a.test"), 400),
    "an empty Host": (head(host="Host:"), 400),
    "a Host with a path": (head(host="Host: a.test/b"), 400),
    "a Host with a user": (head(host="Host: u@a.test"), 400),
    "a Host with an absurd port": (head(host="Host: a.test:99999"), 400),
    "a Host with a comma": (head(host="Host: a.test, b.test"), 400),
    "an expectation": (head("Expect: 200-ok"), 417),
    "a method in brackets": (head(first="(GET) / HTTP/1.1"), 400),
    "an absurd method": (head(first="G" * 33 + " / HTTP/1.1"), 400),
    "two spaces": (head(first="GET  / HTTP/1.1"), 400),
    "a tab": (head(first="GET\t/ HTTP/1.1"), 400),
    "a trailing space": (head(first="GET / HTTP/1.1 "), 400),
    "a leading space": (head(first=" GET / HTTP/1.1"), 400),
    "no version": (head(first="GET /"), 400),
    "a version in lower case": (head(first="GET / http/1.1"), 400),
    "another minor version": (head(first="GET / HTTP/1.2"), 400),
    "HTTP/2": (head(first="PRI * HTTP/2.0"), 505),
    "HTTP/0.9 with a number": (head(first="GET / HTTP/0.9"), 505),
    "a fragment": (head(first="GET /#a HTTP/1.1"), 400),
    "an octet above 127 in the target": (head(first="GET /\xe9 HTTP/1.1"), 400),
    "a target without a slash": (head(first="GET a HTTP/1.1"), 400),
    "an asterisk that is no OPTIONS": (head(first="GET * HTTP/1.1"), 400),
    "another scheme": (head(first="GET ftp://a.test/ HTTP/1.1"), 400),
    "a user in the target": (head(first="GET http://u@a.test/ HTTP/1.1"), 400),
    "CONNECT": (head(first="CONNECT a.test:443 HTTP/1.1"), 501),
    "CONNECT to a path": (head(first="CONNECT / HTTP/1.1"), 501),
    "too many fields": (head(*["A: b"] * 100), 431),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_request_is_refused_that_has(name: str) -> None:
    octets, status = REFUSED[name]
    with pytest.raises(RemoteProtocolError) as error:
        request_head(octets, LIMITS)
    assert error.value.status == status


def test_the_usual_request_is_understood() -> None:
    got = request_head(head("Content-Length: 12", "X-A:  b \t"), LIMITS)
    assert (got.method, got.target, got.minor) == (b"GET", b"/", 1)
    assert (got.fields.host, got.fields.length, got.has_body, got.close) == ("a.test", 12, True, False)
    assert got.fields.forward == b"Host: a.test\r\nX-A:  b \t\r\nContent-Length: 12\r\n"


def test_the_host_is_compared_without_case_port_and_final_dot() -> None:
    got = request_head(head(host="Host: A.Test.:8443"), LIMITS).fields
    assert (got.host, got.authority) == ("a.test", b"A.Test.:8443")
    assert request_head(head(host="Host: [::1]:80"), LIMITS).fields.host == "[::1]"


def test_the_host_of_an_absolute_target_counts() -> None:
    got = request_head(head(first="GET https://B.test:1/x?y HTTP/1.1"), LIMITS)
    assert (got.target, got.fields.host, got.fields.authority) == (b"/x?y", "b.test", b"B.test:1")
    assert request_head(head(first="GET http://b.test?y HTTP/1.1"), LIMITS).target == b"/?y"


def test_fields_of_this_hop_are_not_passed_on_and_neither_are_those_that_connection_names() -> None:
    octets = head("Connection: close, X-Secret", "X-Secret: 1", "TE: trailers", "Keep-Alive: 5", "Upgrade: h", "A: b")
    got = request_head(octets, LIMITS)
    assert got.close
    assert got.fields.forward == b"Host: a.test\r\nA: b\r\n"


def test_connection_cannot_take_away_what_others_rely_on() -> None:
    octets = head("Connection: host, content-length, cookie", "Content-Length: 3", "Cookie: a")
    assert request_head(octets, LIMITS).fields.forward == b"Host: a.test\r\nCookie: a\r\nContent-Length: 3\r\n"


def test_names_that_become_ours_as_cgi_variables_are_dropped() -> None:
    octets = head("X_Forwarded_For: 1", "Content_Length: 5", "Transfer_Encoding: chunked", "X_Own: 1")
    got = request_head(octets, LIMITS, DROPPED | {b"x-forwarded-for"})
    assert got.fields.forward == b"Host: a.test\r\nX_Own: 1\r\n"


def test_an_upgrade_is_seen_only_with_its_connection_option_and_never_to_h2c() -> None:
    assert request_head(head("Connection: Upgrade", "Upgrade: WebSocket"), LIMITS).fields.upgrade == b"websocket"
    assert request_head(head("Upgrade: websocket"), LIMITS).fields.upgrade == b""
    assert request_head(head("Connection: upgrade", "Upgrade: h2c"), LIMITS).fields.upgrade == b""
    both = request_head(head("Connection: upgrade", "Upgrade: h2c, websocket"), LIMITS)
    assert both.fields.upgrade == b"websocket"


def test_http_1_0_closes_unless_asked_not_to() -> None:
    assert request_head(head(first="GET / HTTP/1.0"), LIMITS).close
    assert not request_head(head("Connection: keep-alive", first="GET / HTTP/1.0"), LIMITS).close


@given(st.binary(max_size=200), st.binary(max_size=100))
def test_any_octets_are_a_request_or_refused(line: bytes, block: bytes) -> None:
    octets = line + b"\r\nHost: a\r\n" + block + b"\r\n\r\n"
    try:
        got = request_head(octets, LIMITS)
    except RemoteProtocolError:
        return
    assert got.target.startswith((b"/", b"*"))
    again = request_head(b"%b %b HTTP/1.1\r\n%b\r\n" % (got.method, got.target, got.fields.forward), LIMITS)
    # What is passed on means the same to whoever reads it next, except for what ended at this hop.
    assert (again.method, again.target, again.fields.length) == (got.method, got.target, got.fields.length)
