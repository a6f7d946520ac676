"""What If-None-Match names, and what a write may be bound to."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, strategies

from serai.api.conditions import knows, unless_known
from serai.api.reads import NOT_MODIFIED, OK, Answer
from serai.errors import InvalidError, NotFoundError

TAGS = strategies.from_regex(r'\A(W/)?"[!#-~]{0,5}"\Z')
GAPS = strategies.sampled_from([",", ", ", " , ", ",,", "\t,\t, "])


@given(strategies.lists(TAGS, max_size=5), GAPS, TAGS)
def test_one_of_a_list_is_enough_and_weakness_does_not_matter(tags: list[str], gap: str, asked: str) -> None:
    plain = asked.removeprefix("W/")
    assert knows(gap.join([*tags, asked]), plain)
    assert knows(gap.join([asked, *tags]), plain)
    assert knows(gap.join(tags), plain) == (plain in {one.removeprefix("W/") for one in tags})


@given(strategies.text(max_size=40))
def test_what_is_no_list_of_tags_names_none(text: str) -> None:
    assert not knows(f"3{text}", '"3"')
    assert knows(text, f'"{"x" * 50}"') == (text == "*")


def test_what_has_no_tag_is_sent_whole_and_the_rest_of_an_answer_goes() -> None:
    asked = [(b"if-none-match", b'"7"'), (b"host", b"x"), (b"if-none-match", b"*")]
    assert unless_known(Answer(b"x"), [(b"if-none-match", b"*")]) == Answer(b"x")
    assert unless_known(Answer(b"x", '"3"'), asked) == Answer(b"x", '"3"')  # * is no member of a list
    assert unless_known(Answer(b"x", '"7"'), asked[:2]) == Answer(b"", '"7"', NOT_MODIFIED)
    assert unless_known(Answer(b"x", '"7"'), ()).status == OK


async def test_a_write_under_a_condition_that_cannot_be_one_is_refused(api: Any) -> None:
    both = {"if-match": '"1"', "if-none-match": "*"}
    for headers in ({"if-none-match": '"3"'}, {"if-none-match": ""}, {"if-match": "3"}, {"if-match": ""}, both):
        with pytest.raises(InvalidError):
            await api.call("PUT", "/v1/tenant/demo/demo", {"uid": 1}, headers=headers)
    with pytest.raises(NotFoundError):
        await api.call("GET", "/v1/tenant/demo/demo")
    await api.call("PUT", "/v1/tenant/demo/demo", {"uid": 1}, headers={"if-none-match": " * "})
