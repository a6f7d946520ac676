"""What If-None-Match names, and what a write may be bound to."""

from __future__ import annotations

from typing import Any

import httpx
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


@pytest.mark.parametrize("path", ["/v1/tenant/demo/demo", "/v1/tenant", "/v1/tenant?tenant=demo&limit=5"])
async def test_a_read_is_judged_by_what_it_names(api: Any, path: str) -> None:
    await api.call("PUT", "/v1/tenant/demo/demo", {"uid": 1})
    for known in (False, True):  # the first of them is made, and then it is at hand
        whole = await ask(api, path)
        assert whole.status_code == 200
        tag = whole.headers["etag"]
        for name, value, status in (
            ("if-none-match", tag, 304),
            ("if-none-match", f'"x", W/{tag}', 304),
            ("if-none-match", '"x"', 200),
            ("if-match", tag, 200),
            ("if-match", f'"x", {tag}', 200),
            ("if-match", "*", 200),
            ("if-match", '"x"', 409),
            ("if-match", f"W/{tag}", 409),
            ("if-match", "", 400),
        ):
            answer = await ask(api, path, **{name: value})
            assert answer.status_code == status, (known, name, value)
            if status == 304:
                assert (answer.content, answer.headers["etag"]) == (b"", tag)
        both = await ask(api, path, **{"if-match": '"x"', "if-none-match": tag})
        assert both.status_code == 409, "If-Match comes first"
    await api.call("PATCH", "/v1/tenant/demo/demo", {"title": "Another"})
    assert (await ask(api, path, **{"if-none-match": tag})).status_code == 200


async def test_every_answer_says_who_may_keep_it(api: Any) -> None:
    await api.call("PUT", "/v1/tenant/demo/demo", {"uid": 1})
    for path in ("/v1/tenant/demo/demo", "/v1/tenant", "/v1/openapi.json"):
        for _ in range(2):
            answer = await ask(api, path)
            assert answer.headers.get_list("cache-control") == ["private, no-cache"], path
        again = await ask(api, path, **{"if-none-match": answer.headers["etag"]})
        assert (again.status_code, again.headers["cache-control"]) == (304, "private, no-cache")
    for path in ("/v1/me", "/v1/tokens/demo", "/v1/tenant/demo/none", "/nowhere", "/v1/changes?end=true"):
        assert (await ask(api, path)).headers.get_list("cache-control") == ["no-store"], path


async def ask(api: Any, path: str, **headers: str) -> httpx.Response:
    transport = httpx.AsyncHTTPTransport(uds=str(api.path), verify=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://serai", timeout=20) as client:
        return await client.get(path, headers=headers)
