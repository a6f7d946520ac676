import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serai.cloud.drivers.process.shim.bencode import decode, encode, text

VALUES = st.recursive(
    st.integers(-(10**18), 10**18) | st.binary(max_size=50),
    lambda inner: (
        st.lists(inner, max_size=5) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner)
    ),
    max_leaves=20,
)


@settings(deadline=None)
@given(VALUES)
def test_what_is_encoded_is_decoded(value):
    assert decode(encode(value)) == value


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_octets_are_decoded_or_refused(data):
    try:
        value = decode(data)
    except ValueError:
        return
    assert decode(encode(value)) == value


@settings(deadline=None)
@given(st.binary(max_size=100))
def test_octets_that_are_no_text_survive(data):
    assert decode(encode(text(data))) == data


@pytest.mark.parametrize("data", [b"", b"i1", b"5:abc", b"l", b"di1ei2ee", b"i1ei2e", b"-1:", b"l" * 100000])
def test_malformed_octets_are_refused(data):
    with pytest.raises(ValueError, match=r"."):
        decode(data)


@pytest.mark.parametrize("value", [None, True, 1.5, {1}])
def test_other_types_are_not_encoded(value):
    with pytest.raises(TypeError):
        encode(value)
