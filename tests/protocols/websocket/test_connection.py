"""What a server reads, by the cases that conformance suites try, however the octets arrive."""

from __future__ import annotations

import struct
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serai.protocols.websocket import (
    Closed,
    Connection,
    Message,
    Ping,
    Pong,
    accept_key,
    close_frame,
    ping_frame,
    pong_frame,
    refusal,
    text_frame,
)
from serai.protocols.websocket.connection import MAX_FRAGMENTS
from serai.protocols.websocket.frames import unmask

LIMIT = 1000


def frame(
    opcode: int, payload: bytes = b"", *, final: bool = True, mask: bytes = b"\x01\x02\x03\x04", first: int = 0
) -> bytes:
    """Return a client's frame."""
    size = len(payload)
    if size < 126:
        head = struct.pack("!BB", (0x80 if final else 0) | opcode | first, 0x80 | size)
    elif size < 65536:
        head = struct.pack("!BBH", (0x80 if final else 0) | opcode | first, 0x80 | 126, size)
    else:
        head = struct.pack("!BBQ", (0x80 if final else 0) | opcode | first, 0x80 | 127, size)
    masked = bytes(octet ^ mask[at % 4] for at, octet in enumerate(payload))
    return head + mask + masked


def read(octets: bytes, size: int = 0, limit: int = LIMIT) -> list[Any]:
    connection = Connection(limit)
    pieces = [octets[at : at + size] for at in range(0, len(octets), size)] if size else [octets]
    return [event for piece in pieces for event in connection.receive_data(piece)]


def code(octets: bytes, limit: int = LIMIT) -> int:
    """Return with which code the connection ends."""
    events = read(octets, limit=limit)
    assert isinstance(events[-1], Closed)
    return events[-1].code


@given(st.binary(max_size=300), st.binary(min_size=4, max_size=4), st.integers(0, 7))
def test_a_message_is_read_whatever_its_mask_and_pieces(payload: bytes, mask: bytes, size: int) -> None:
    assert read(frame(2, payload, mask=mask), size) == [Message(payload, text=False)]


@given(st.text(max_size=100), st.lists(st.integers(0, 400), max_size=6), st.integers(0, 5))
def test_fragments_make_one_message_also_where_they_cut_characters(text: str, cuts: list[int], size: int) -> None:
    octets = text.encode()
    at = sorted({min(cut, len(octets)) for cut in cuts} | {0, len(octets)})
    parts = [octets[a:b] for a, b in pairwise(at)] or [b""]
    frames = [frame(1 if not number else 0, part, final=number == len(parts) - 1) for number, part in enumerate(parts)]
    assert read(b"".join(frames), size) == [Message(octets, text=True)]


def test_control_frames_come_between_fragments_also_of_a_message_as_large_as_may_be() -> None:
    octets = frame(1, b"x" * LIMIT, final=False) + frame(9, b"p" * 125) + frame(10, b"q") + frame(0)
    assert read(octets) == [Ping(b"p" * 125), Pong(b"q"), Message(b"x" * LIMIT, text=True)]


@pytest.mark.parametrize(
    ("octets", "expected"),
    [
        (frame(1, b"x", first=0x40), 1002),
        (frame(1, b"x", first=0x10), 1002),
        (frame(3), 1002),
        (frame(7), 1002),
        (frame(11), 1002),
        (frame(15), 1002),
        (b"\x81\x01x", 1002),
        (frame(9, b"x" * 126), 1002),
        (frame(9, b"x", final=False), 1002),
        (frame(0, b"x"), 1002),
        (frame(1, b"x", final=False) + frame(1, b"y"), 1002),
        (frame(1, b"x", final=False) + frame(0, b"y") + frame(0, b"z"), 1002),
        (b"\x82\xfe\x00\x7d", 1002),
        (b"\x82\xff" + struct.pack("!Q", 65535), 1002),
        (b"\x82\xff" + struct.pack("!Q", 1 << 63), 1002),
        (b"\x82\xff" + struct.pack("!Q", (1 << 63) - 1), 1009),
        (frame(2, b"x" * (LIMIT + 1)), 1009),
        (frame(2, b"x" * LIMIT, final=False) + frame(0, b"y"), 1009),
        (frame(1, b"\xff"), 1007),
        (frame(1, b"\xed\xa0\x80"), 1007),
        (frame(1, b"\xc3"), 1007),
        (frame(1, b"\xf4\x90", final=False), 1007),
        (frame(8, b"x"), 1002),
        (frame(8, struct.pack("!H", 1005)), 1002),
        (frame(8, struct.pack("!H", 999)), 1002),
        (frame(8, struct.pack("!H", 2999)), 1002),
        (frame(8, struct.pack("!H", 5000)), 1002),
        (frame(8, struct.pack("!H", 1000) + b"\xff"), 1007),
        (frame(1, b"", final=False) + frame(0, b"", final=False) * MAX_FRAGMENTS, 1009),
    ],
)  # fmt: skip
def test_who_breaks_the_protocol_is_told_by_code(octets: bytes, expected: int) -> None:
    assert code(octets) == expected


@pytest.mark.parametrize("octets", [frame(1, b"x" * (LIMIT + 1)), frame(1, b"x" * LIMIT, final=False) + frame(0, b"y")])
def test_what_is_too_long_is_told_so_whole_or_in_pieces(octets: bytes) -> None:
    (event,) = read(octets)
    assert event.reply[4:] == b"A message is too long."


@pytest.mark.parametrize("given_code", [1000, 1001, 1003, 1011, 1012, 3000, 4999])
def test_a_close_is_answered_with_its_code(given_code: int) -> None:
    (event,) = read(frame(8, struct.pack("!H", given_code) + "grüß".encode()))
    assert (event.code, event.reason) == (given_code, "grüß")
    assert event.reply[:4] == struct.pack("!BBH", 0x88, event.reply[1], given_code)


def test_a_close_without_a_code_is_a_close_and_nothing_comes_after() -> None:
    connection = Connection(LIMIT)
    (event,) = connection.receive_data(frame(8) + frame(1, b"x"))
    assert isinstance(event, Closed)
    assert event.code == 1005
    assert connection.receive_data(frame(1, b"x")) == []


@given(st.binary(max_size=400), st.integers(0, 9))
def test_any_octets_at_all_end_in_order_and_alike_however_they_arrive(octets: bytes, size: int) -> None:
    assert read(octets, size) == read(octets)


@given(st.binary(max_size=2000), st.binary(min_size=4, max_size=4))
def test_a_mask_is_its_own_inverse(payload: bytes, mask: bytes) -> None:
    assert unmask(unmask(payload, mask), mask) == payload
    assert unmask(payload, mask) == bytes(octet ^ mask[at % 4] for at, octet in enumerate(payload))


@pytest.mark.parametrize(("size", "head"), [(0, 2), (125, 2), (126, 4), (65535, 4), (65536, 10)])
def test_our_frames_are_short_final_and_not_masked(size: int, head: int) -> None:
    octets = text_frame(b"x" * size)
    assert (octets[0], len(octets), octets[1] & 0x80) == (0x81, size + head, 0)


def test_control_frames_of_ours_fit() -> None:
    assert len(close_frame(1000, "ü" * 200)) <= 127
    close_frame(1000, "ü" * 200)[4:].decode()
    assert len(ping_frame(b"x" * 200)) == 127
    assert pong_frame(b"ab") == b"\x8a\x02ab"


def test_the_handshake_of_the_standards_example() -> None:
    key = b"dGhlIHNhbXBsZSBub25jZQ=="
    assert accept_key(key) == b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    assert refusal(b"GET", {b"sec-websocket-version": b"13", b"sec-websocket-key": key}) is None
    assert refusal(b"POST", {})[0] == 405
    assert refusal(b"GET", {})[0] == 426
    assert refusal(b"GET", {b"sec-websocket-version": b"13", b"sec-websocket-key": b"\xff"})[0] == 400
