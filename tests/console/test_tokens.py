"""What only a visitor's own session can have made."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from serai.console.tokens import form_token, is_form_token, open_flash, seal_flash


@given(st.text(), st.text())
def test_a_token_is_good_in_its_own_session_only(one: str, other: str) -> None:
    assert is_form_token(form_token(one), one)
    assert is_form_token(form_token(one), other) == (one == other)
    assert not is_form_token(other, one)


@given(st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=300), st.text(), st.text())
def test_a_message_is_read_in_its_own_session_only(text: str, one: str, other: str) -> None:
    assert open_flash(one, seal_flash(one, text)) == text
    assert open_flash(other, seal_flash(one, text)) == (text if one == other else "")


@given(st.text())
def test_nothing_else_is_a_message(value: str) -> None:
    assert open_flash("session", value) == ""
