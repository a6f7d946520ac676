"""An app's variables on their page: set, several at once, taken away; secrets are never shown again."""

from __future__ import annotations

from typing import Any

import pytest
from browsing import unclean
from hypothesis import given
from hypothesis import strategies as st

from serai.console.pages.app_variables import read_lines
from serai.errors import InvalidError
from serai.identity.descriptors import Tenant
from serai.services.apps.descriptors import App

PAGE = "/tenants/demo/apps/shop/variables"
HOSTILE = '"><script>alert(1)</script>'
SECRET = "s3cret-and-long"


async def some(house: Any, role: str = "developer") -> Any:
    await house.store.put("user:root", "test", "demo", "demo", Tenant(uid=1))
    await house.store.put("user:root", "test", "demo", "shop", App(host="test"))
    return await house.visitor("ada", ("demo", role))


async def test_variables_are_set_shown_if_they_may_be_and_taken_away(house: Any) -> None:
    browser = await some(house)
    page = await browser.get(PAGE)
    assert "No variables yet" in page.text
    page = await browser.follow(await browser.submit(page, {"name": "KEY", "value": SECRET}, action=PAGE))
    assert "KEY is set." in page.text
    assert SECRET not in page.text
    form = {"name": "COLOUR", "value": HOSTILE, "shown": "on"}
    page = await browser.follow(await browser.submit(page, form, action=PAGE))
    assert "&lt;script&gt;alert(1)" in page.text
    assert "<script>alert" not in page.text
    assert "set KEY of shop" in page.text
    assert "by ada" in page.text
    edit = await browser.get(f"{PAGE}?edit=COLOUR")
    assert "Change COLOUR" in edit.text
    assert edit.text.count("&lt;script&gt;alert(1)") == 2
    assert SECRET not in (await browser.get(f"{PAGE}?edit=KEY")).text
    assert unclean(edit.text) == []
    page = await browser.submit(page, {"name": "KEY", "repeat": "KE"}, action=f"{PAGE}/remove")
    assert page.status_code == 400
    assert "nothing was removed" in page.text
    page = await browser.submit(page, {"name": "KEY", "repeat": "KEY"}, action=f"{PAGE}/remove")
    page = await browser.follow(page)
    assert "KEY is removed." in page.text
    assert "COLOUR" in page.text


async def test_several_are_set_at_once(house: Any) -> None:
    browser = await some(house)
    page = await browser.get(PAGE)
    form = {"lines": "# none\nexport A=1\nB = 'two words'\n", "shown": "on"}
    page = await browser.follow(await browser.submit(page, form, action=f"{PAGE}/many"))
    assert "A, B are set." in page.text
    assert "two words</code>" in page.text
    page = await browser.submit(page, {"lines": "A=1\nnothing"}, action=f"{PAGE}/many")
    assert page.status_code == 400
    assert "Line 2 is not NAME=VALUE" in page.text


async def test_of_two_who_change_them_the_second_sees_what_the_first_did(house: Any) -> None:
    browser = await some(house)
    mine = await browser.get(PAGE)
    await house.api.call("PATCH", "/v1/apps/demo/shop/env", {"values": {"KEY": "theirs"}, "plain": True})
    page = await browser.submit(mine, {"name": "KEY", "value": "mine", "shown": "on"}, action=PAGE)
    assert page.status_code == 409
    assert "What changed meanwhile" in page.text
    assert 'value="KEY"' in page.text
    assert "theirs</code>" in page.text
    again = {"name": "KEY", "value": "mine", "shown": "on"}
    page = await browser.follow(await browser.submit(page, again, action=PAGE))
    assert "mine</code>" in page.text


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"name": "a b", "value": "x"}, "letters, digits and _"),
        ({"name": "", "value": "x"}, "This is needed."),
        ({"name": "PORT", "value": "1"}, "PORT is set by the platform."),
        ({"name": "A" * 200, "value": "x"}, "at most 128"),
        ({"name": "A", "value": SECRET * 4000}, "at most 32768"),
        ({"name": "A", "value": SECRET, "other": "1"}, "no field other"),
        ({"name": HOSTILE, "value": SECRET}, "&lt;script&gt;"),
    ],
)
async def test_what_does_not_fit_is_said_and_secrets_are_not_repeated(
    house: Any, form: dict[str, str], said: str
) -> None:
    browser = await some(house)
    page = await browser.submit(await browser.get(PAGE), form, action=PAGE)
    assert page.status_code == 400
    assert said in page.text
    assert SECRET not in page.text
    assert "<script>alert" not in page.text


async def test_only_who_may_sees_them(house: Any) -> None:
    viewer = await some(house, "viewer")
    assert (await viewer.get(PAGE)).status_code == 403
    assert PAGE not in (await viewer.get("/tenants/demo/apps/shop")).text
    stranger = await house.visitor("eve", ("other", "owner"))
    answers = [(await stranger.get(path)).status_code for path in (PAGE, PAGE.replace("shop", "none"))]
    assert answers[0] == answers[1]


@given(st.text(max_size=200))
def test_lines_are_read_or_refused(text: str) -> None:
    try:
        found = read_lines(text)
    except InvalidError:
        return
    assert all(name and "=" not in name for name in found)
