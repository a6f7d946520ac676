"""Subjects and prefixes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from serai.bus.subjects import check_subject, prefix_of, prefixes
from serai.errors import InvalidError


def test_prefixes_are_all_that_a_wildcard_may_name() -> None:
    assert prefixes("a.b.c") == ["a", "a.b"]
    assert prefixes("a") == []
    assert prefix_of("a.b.*") == "a.b"
    assert prefix_of("a.b") is None


@given(st.text(max_size=300), st.booleans())
def test_any_text_is_a_subject_or_invalid(text: str, wildcard: bool) -> None:
    try:
        assert check_subject(text, wildcard=wildcard) == text
    except InvalidError:
        return
    assert text.isascii()
    assert "\n" not in text
    assert wildcard or "*" not in text
