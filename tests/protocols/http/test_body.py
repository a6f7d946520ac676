"""Bodies in pieces."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serai.protocols.http import ChunkedReader, LengthReader, Limits, UntilCloseReader, chunk
from serai.protocols.http.body import LAST_CHUNK, BodyReader

REFUSED = {
    "no size": b"\r\n",
    "a size that is no number": b"x\r\n",
    "a signed size": b"+1\r\na\r\n",
    "a size with 0x": b"0x1\r\na\r\n",
    "an absurd size": b"ffffffffffffffff\r\n",
    "a space after the size": b"1 \r\na\r\n",
    "a bare LF after the size": b"1\na\r\n",
    "a bare LF after the chunk": b"1\r\na\n0\r\n\r\n",
    "a chunk that is longer than it says": b"1\r\nab\r\n",
    "a long extension": b"1;" + b"a" * 300 + b"\r\n",
    "a control in an extension": b"1;a\0\r\n",
    "a CR in an extension": b"1;a\rb\r\n",
    "a trailer without a colon": b"0\r\nabc\r\n\r\n",
    "a trailer with a bare LF": b"0\r\na: b\nc: d\r\n\r\n",
    "a large trailer": b"0\r\n" + b"a: b\r\n" * 5000 + b"\r\n",
    "many extensions": (b"1;" + b"a" * 200 + b"\r\nx\r\n") * 100,
}


def read(reader: BodyReader, octets: bytes, cuts: list[int] | None = None) -> tuple[bytes, bytes]:
    content = rest = b""
    edges = [0, *sorted(cuts or []), len(octets)]
    for start, end in pairwise(edges):
        pieces, after = reader.receive(rest + octets[start:end]) if not reader.done else ([], rest + octets[start:end])
        content += b"".join(pieces)
        rest = after
    return content, rest


@pytest.mark.parametrize("name", REFUSED)
def test_a_chunked_body_is_refused_that_has(name: str) -> None:
    reader = ChunkedReader(Limits())
    read(reader, REFUSED[name])
    assert reader.error is not None
    assert reader.error.status == 400


@given(st.data(), st.sampled_from(sorted(REFUSED)))
def test_the_refusal_does_not_depend_on_the_segments(data: st.DataObject, name: str) -> None:
    octets = REFUSED[name]
    cuts = data.draw(st.lists(st.integers(0, len(octets)), max_size=8))
    whole, split = ChunkedReader(Limits()), ChunkedReader(Limits())
    assert read(whole, octets)[0] == read(split, octets, cuts)[0]
    assert split.error is not None


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=6), st.binary(max_size=20), st.data())
def test_what_is_chunked_comes_out_again(pieces: list[bytes], after: bytes, data: st.DataObject) -> None:
    octets = b"".join(chunk(piece) for piece in pieces) + LAST_CHUNK + after
    cuts = data.draw(st.lists(st.integers(0, len(octets)), max_size=8))
    reader = ChunkedReader(Limits())
    assert read(reader, octets, cuts) == (b"".join(pieces), after)
    assert reader.done
    assert reader.error is None


@given(st.binary(max_size=300), st.data())
def test_any_octets_read_the_same_in_any_segments(octets: bytes, data: st.DataObject) -> None:
    octets = data.draw(st.sampled_from([octets, b"5\r\nhello\r\n" + octets, b"0\r\n" + octets, b"a;b=c\r\n" + octets]))
    cuts = data.draw(st.lists(st.integers(0, len(octets)), max_size=8))
    whole, split = ChunkedReader(Limits()), ChunkedReader(Limits())
    first, second = read(whole, octets), read(split, octets, cuts)
    assert first[0] == second[0]
    assert (whole.done, whole.error is None) == (split.done, split.error is None)
    if whole.done:
        assert first[1] == second[1]


def test_extensions_and_trailers_are_read_past() -> None:
    reader = ChunkedReader(Limits())
    assert read(reader, b'3;a=b;c="d"\r\nabc\r\n0\r\nX: y\r\n\r\nNEXT') == (b"abc", b"NEXT")


def test_a_body_of_known_length_ends_there() -> None:
    reader = LengthReader(5)
    assert read(reader, b"helloNEXT", [2, 4]) == (b"hello", b"NEXT")
    assert reader.done


def test_an_end_of_the_connection_breaks_what_is_incomplete_and_ends_what_has_no_other_end() -> None:
    for broken in (LengthReader(5), ChunkedReader(Limits())):
        broken.receive(b"3")
        broken.eof()
        assert broken.error is not None
    open_end = UntilCloseReader()
    open_end.eof()
    assert open_end.done
