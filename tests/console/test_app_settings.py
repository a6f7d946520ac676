"""An app's settings on their page, and the token that its repository is fetched with."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from browsing import unclean

from serai.identity.descriptors import Tenant
from serai.services.apps.descriptors import App

PAGE = "/tenants/demo/apps/shop/settings"
SECRET = "glpat-very-secret"


async def some(house: Any, role: str = "developer") -> Any:
    await house.store.put("user:root", "test", "demo", "demo", Tenant(uid=1))
    await house.store.put("user:root", "test", "demo", "shop", App(host="test", scale={"web": 2}))
    return await house.visitor("ada", ("demo", role))


async def spec(house: Any) -> App:
    found: App = (await house.store.get(App, "demo", "shop")).spec
    return found


async def test_they_are_saved_and_nothing_else_changes(house: Any) -> None:
    browser = await some(house)
    page = await browser.get(PAGE)
    assert unclean(page.text) == []
    page = await browser.follow(await browser.submit(page, {"tasks": "500"}, action=PAGE))
    assert "The settings are saved." in page.text
    assert await spec(house) == App(host="test", scale={"web": 2}, tasks=500)


async def test_of_two_who_save_the_second_sees_what_the_first_did(house: Any) -> None:
    browser = await some(house)
    mine = await browser.get(PAGE)
    theirs = msgspec.structs.replace(await spec(house), tasks=7)
    await house.store.put("user:bob", "test", "demo", "shop", theirs)
    page = await browser.submit(mine, {"tasks": "9"}, action=PAGE)
    assert page.status_code == 409
    assert "What changed meanwhile" in page.text
    assert "<ins>7</ins>" in page.text
    assert 'value="9"' in page.text
    assert await spec(house) == theirs
    await browser.follow(await browser.submit(page, {}, action=PAGE))
    assert (await spec(house)).tasks == 9


@pytest.mark.parametrize(("value", "said"), [("many", "whole number"), ("-1", "at least 0"), ("", "needed")])
async def test_what_does_not_fit_is_said_and_kept(house: Any, value: str, said: str) -> None:
    browser = await some(house)
    page = await browser.submit(await browser.get(PAGE), {"tasks": value}, action=PAGE)
    assert page.status_code == 400
    assert said in page.text
    assert f'value="{value}"' in page.text


async def test_a_deploy_token_is_kept_never_shown_and_forgotten(house: Any) -> None:
    browser = await some(house)
    page = await browser.get(PAGE)
    form = {"host": "git.example.org", "username": "deploy", "token": SECRET}
    page = await browser.follow(await browser.submit(page, form, action=f"{PAGE}/token"))
    assert "<b>git.example.org</b>" in page.text
    assert SECRET not in page.text
    page = await browser.submit(page, {**form, "host": '"><script>'}, action=f"{PAGE}/token")
    assert page.status_code == 400
    assert SECRET not in page.text
    assert "<script>\n" not in page.text.partition("<main")[2]
    page = await browser.follow(await browser.submit(page, {}, action=f"{PAGE}/token/forget"))
    assert "is forgotten" in page.text


async def test_who_may_only_look_gets_no_form_and_strangers_learn_nothing(house: Any) -> None:
    viewer = await some(house, "viewer")
    page = await viewer.get(PAGE)
    assert page.status_code == 200
    assert f'action="{PAGE}' not in page.text
    stranger = await house.visitor("eve", ("other", "owner"))
    answers = [(await stranger.get(path)).status_code for path in (PAGE, PAGE.replace("shop", "none"))]
    assert answers[0] == answers[1]
