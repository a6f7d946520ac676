"""Upgrading and merging, with any fields."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serai.errors import InternalError
from serai.store import codec
from serai.store.conformance import NewLamp, OldLamp

NUMBERS = st.integers(-(1 << 63), (1 << 64) - 1)
FIELDS = st.dictionaries(st.sampled_from("abcdef"), NUMBERS | st.dictionaries(st.sampled_from("xyz"), NUMBERS))


@given(stored=FIELDS, new=FIELDS)
def test_known_fields_are_the_writers_and_the_others_stay(stored: dict, new: dict) -> None:
    known = {"a": None, "b": {"x": None}, "c": None}
    new = {key: value for key, value in new.items() if key in known}
    encode = msgspec.msgpack.encode
    merged = codec.fields(codec.merge(encode(stored, order=None), encode(new), known))
    assert {key: value for key, value in merged.items() if key not in known} == {
        key: value for key, value in stored.items() if key not in known
    }
    assert [merged.get(key) for key in "ac"] == [new.get(key) for key in "ac"]
    if isinstance(new.get("b"), dict) and isinstance(stored.get("b"), dict):
        kept = {key: value for key, value in stored["b"].items() if key != "x"}
        assert merged["b"] == {**new["b"], **kept}


def test_the_fields_of_structs_below_are_known_too() -> None:
    assert codec.known(OldLamp) == {"watts": None, "shade": {"cloth": None}}


def test_a_schema_that_nothing_upgrades_is_our_error() -> None:
    with pytest.raises(InternalError, match="schema 0"):
        codec.decode(NewLamp, 0, msgspec.msgpack.encode({"watts": 1}))


@given(st.binary(max_size=200))
def test_stored_octets_that_are_no_spec_are_our_error(data: bytes) -> None:
    try:
        codec.decode(OldLamp, 1, data)
    except InternalError:
        return
    assert isinstance(codec.decode(OldLamp, 1, data), OldLamp)
