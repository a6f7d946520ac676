"""Forms: read strictly, typed, with a sentence beside what does not fit."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from urllib.parse import urlencode

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta

from serai.console.forms import MAX_FIELDS, Form, Secret, Short, parse
from serai.errors import ConflictError, DeniedError, InvalidError


class Order(msgspec.Struct, frozen=True, kw_only=True):
    name: Short
    count: Annotated[int, Meta(ge=1, le=10)] = 1
    share: float | None = None
    size: Literal["small", "large"] = "small"
    fast: bool = False
    tags: tuple[str, ...] = ()
    pin: Secret = ""

    def __post_init__(self) -> None:
        if self.name == "nothing":
            raise ValueError("An order is of something.")


def sent(**fields: Any) -> Form[Order]:
    pairs = [(name, one) for name, value in fields.items() for one in (value if isinstance(value, list) else [value])]
    return Form(Order, tuple(pairs), sent=True)


def test_what_fits_is_typed() -> None:
    form = sent(name="tea", count="3", share="0.5", size="large", fast="on", tags=["a", "b"], pin="1234", csrf="x")
    assert form.ok
    assert form.data == Order(name="tea", count=3, share=0.5, size="large", fast=True, tags=("a", "b"), pin="1234")


def test_what_is_left_out_or_left_empty_is_the_default() -> None:
    assert sent(name="tea", count="", share="", size="").data == Order(name="tea")
    assert sent(name="tea").data == Order(name="tea")


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("name", "", "This is needed."),
        ("name", "x" * 301, "This has at most 300 characters."),
        ("count", "11", "This is at most 10."),
        ("count", "0", "This is at least 1."),
        ("count", "many", "This is a whole number."),
        ("share", "half", "This is a number."),
        ("size", "huge", "This is none of the choices."),
    ],
)
def test_each_field_that_does_not_fit_has_its_sentence(field: str, value: str, said: str) -> None:
    form = sent(**{"name": "tea", "count": "2", field: value})
    assert not form.ok
    assert (form.errors, form.status) == ({field: said}, 400)
    assert form.value("count") == (value if field == "count" else "2"), "what was typed is kept"


def test_all_faults_are_told_at_once() -> None:
    assert set(sent(name="", count="x", size="y").errors) == {"name", "count", "size"}


def test_what_only_the_whole_tells_is_about_the_whole() -> None:
    form = sent(name="nothing")
    assert (form.error, form.errors, form.ok) == ("An order is of something.", {}, False)


@pytest.mark.parametrize("fields", [{"name": ["tea", "coffee"]}, {"name": "tea", "hidden": "x"}, {"count": ["1", "1"]}])
def test_doubled_and_unknown_fields_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidError):
        sent(**fields)


def test_secrets_are_neither_shown_again_nor_carried_along() -> None:
    form = sent(name="tea", pin="1234", csrf="token")
    assert (form.value("pin"), form.values("pin")) == ("", [])
    assert form.typed() == (("name", "tea"),)


def test_a_form_knows_what_its_fields_take() -> None:
    form = Form.of(Order, name="tea", fast=True, tags=["a", "b"])
    assert form.is_required("name")
    assert not form.is_required("count")
    assert (form.longest("name"), form.longest("count")) == (300, None)
    assert form.choices("size") == ["large", "small"]
    assert (form.value("count"), form.value("share"), form.is_on("fast"), form.values("tags")) == (
        "1",
        "",
        True,
        ["a", "b"],
    )


async def test_what_the_api_refuses_stands_beside_the_field_that_it_names() -> None:
    async def refuse(path: str) -> None:
        raise InvalidError("That is taken.", path=path)

    form = sent(name="tea")
    assert not await form.send(lambda _order: refuse("$.name"))
    assert form.errors == {"name": "That is taken."}
    form = sent(name="tea")
    assert not await form.send(lambda _order: refuse("somewhere"))
    assert (form.error, form.status) == ("That is taken.", 400)


async def test_only_that_nobody_is_signed_in_goes_further() -> None:
    async def end(error: Exception) -> None:
        raise error

    with pytest.raises(DeniedError):
        await sent(name="tea").send(lambda _order: end(DeniedError("Who?", need="sign-in")))
    form = sent(name="tea")
    assert not await form.send(lambda _order: end(ConflictError("It was changed.")))
    assert (form.error, form.status) == ("It was changed.", 409)


async def test_what_does_not_fit_is_not_sent() -> None:
    assert not await sent(name="").send(lambda _order: pytest.fail("it was sent"))


@pytest.mark.parametrize(
    "body",
    [
        b"&".join(b"a%d=" % number for number in range(MAX_FIELDS + 1)),
        b"a=%ff",
        b"a=\xff",
        b"x" * 101 + b"=1",
        b"a=%00",
        b"nothing",
    ],
)
def test_what_is_no_form_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidError):
        parse(body)


def test_lines_end_as_they_do_here() -> None:
    assert parse(b"text=a%0D%0Ab") == (("text", "a\nb"),)


@given(st.binary(max_size=300))
def test_octets_are_a_form_or_refused(body: bytes) -> None:
    try:
        parse(body)
    except InvalidError:
        return


names = st.text(st.characters(exclude_characters="\0\r", exclude_categories=("Cs",)), max_size=20)


@given(st.lists(st.tuples(names, names), max_size=10))
def test_what_a_browser_sends_arrives(pairs: list[tuple[str, str]]) -> None:
    assert parse(urlencode(pairs).encode()) == tuple(pairs)
