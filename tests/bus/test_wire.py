"""Framing under arbitrary octets."""

from __future__ import annotations

import contextlib
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serai.bus.body import decode_body
from serai.bus.contract import MAX_MESSAGE
from serai.bus.local import wire
from serai.errors import BY_CODE, ConflictError, InvalidError, SeraiError

numbers = st.integers(0, 2**53)
subjects = st.text(max_size=60)
bodies = st.binary(max_size=300)
messages = st.one_of(
    st.builds(wire.Publish, subjects, bodies),
    st.builds(wire.Subscribe, numbers, subjects),
    st.builds(wire.Deliver, st.lists(numbers, max_size=5), subjects, bodies, numbers),
    st.builds(wire.Call, numbers, subjects, bodies, st.floats(0, 3600)),
    st.builds(wire.Failure, numbers, st.sampled_from(sorted(BY_CODE)), st.text(max_size=50), st.booleans()),
)


@given(st.lists(messages, max_size=8), st.lists(st.integers(1, 40), min_size=1))
def test_any_cut_of_the_stream_gives_the_same_messages(sent: list[wire.Message], cuts: list[int]) -> None:
    stream = b"".join(map(wire.pack, sent))
    reader, got, position, turn = wire.FrameReader(), [], 0, 0
    while position < len(stream):
        size = cuts[turn % len(cuts)]
        got += [wire.unpack(payload) for payload in reader.feed(stream[position : position + size])]
        position, turn = position + size, turn + 1
    assert got == sent


@given(st.binary(max_size=600))
def test_arbitrary_octets_give_messages_or_invalid_and_nothing_else(octets: bytes) -> None:
    reader = wire.FrameReader()
    try:
        for payload in reader.feed(octets):
            wire.unpack(payload)
    except InvalidError:
        pass


@given(st.binary(max_size=200))
def test_an_arbitrary_payload_is_a_message_or_invalid(payload: bytes) -> None:
    for decode in (wire.unpack, decode_body):
        with contextlib.suppress(InvalidError):
            decode(payload)


def test_deep_nesting_is_invalid_not_a_crash() -> None:
    with pytest.raises(InvalidError):
        decode_body(b"\x91" * 100_000)
    with pytest.raises(InvalidError):
        wire.unpack(b"\x91" * 100_000)


@given(st.sampled_from(sorted(BY_CODE)), st.text(max_size=80), st.booleans())
def test_errors_travel_by_code(code: str, public: str, temporary: bool) -> None:
    sent = BY_CODE[code](public, temporary=temporary, path="a.b")
    got = wire.error_of(wire.failure(1, sent))
    assert (type(got), got.public, got.temporary, got.fields) == (type(sent), public, temporary, {"path": "a.b"})


def test_an_unknown_code_is_an_internal_error() -> None:
    error = wire.error_of(wire.Failure(1, "teapot", "I am one.", False))
    assert error.code == "internal"
    assert isinstance(error, SeraiError)


def test_an_errors_fields_that_are_too_large_are_left_out() -> None:
    answer = wire.failure(1, ConflictError("No.", big="x" * (MAX_MESSAGE + 1)))
    assert wire.error_of(answer).fields == {}


def test_an_errors_fields_that_are_no_data_travel_as_text() -> None:
    packed = wire.pack(wire.failure(1, ConflictError("No.", path=PurePosixPath("/a"))))
    assert wire.unpack(packed[4:]) == wire.Failure(1, "conflict", "No.", False, {"path": "/a"})
