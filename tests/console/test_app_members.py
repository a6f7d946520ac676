"""Members of one app on their page: roles given, changed and taken away; guests invited."""

from __future__ import annotations

from typing import Any

import pytest
from browsing import unclean

from serai.identity.descriptors import Tenant
from serai.identity.people import Member
from serai.services.apps.descriptors import App

PAGE = "/tenants/demo/apps/shop/members"
HOSTILE = '"><script>alert(1)</script>'


async def some(house: Any, role: str = "owner") -> Any:
    await house.store.put("user:root", "test", "demo", "demo", Tenant(uid=1))
    for name in ("shop", "blog"):
        await house.store.put("user:root", "test", "demo", name, App(host="test"))
    await house.api.person("bob", ("demo:blog", "viewer"))
    return await house.visitor("ada", ("demo", role))


async def role(house: Any, login: str = "bob") -> str:
    found: str = (await house.store.get(Member, "demo", f"{login}:shop")).spec.role
    return found


async def test_a_role_is_given_changed_and_taken_away(house: Any) -> None:
    browser = await some(house)
    page = await browser.get(PAGE)
    assert "Nobody has a role of this app alone" in page.text
    assert ">bob<" not in page.text
    assert unclean(page.text) == []
    page = await browser.follow(await browser.submit(page, {"login": "bob", "role": "developer"}, action=PAGE))
    assert "bob is developer of shop now." in page.text
    assert unclean(page.text) == []
    version = {"login": "bob", "version": str((await house.store.get(Member, "demo", "bob:shop")).version)}
    page = await browser.follow(await browser.submit(page, {**version, "role": "viewer"}, action=PAGE))
    assert await role(house) == "viewer"
    page = await browser.submit(page, {"repeat": "rob"}, action=f"{PAGE}/remove")
    assert page.status_code == 400
    page = await browser.follow(await browser.submit(page, {"repeat": "bob"}, action=f"{PAGE}/remove"))
    assert "no role of this app any more" in page.text
    assert 'value="bob"' in page.text


async def test_nobody_overwrites_what_somebody_else_just_gave(house: Any) -> None:
    browser = await some(house)
    page = await browser.get(PAGE)
    await house.store.put("user:eve", "test", "demo", "bob:shop", Member(role="viewer"))
    answer = await browser.submit(page, {"login": "bob", "role": "owner"}, action=PAGE)
    assert answer.status_code == 409
    assert 'value="viewer" selected' in answer.text
    assert await role(house) == "viewer"


@pytest.mark.parametrize(
    "form",
    [
        {"login": HOSTILE, "role": "viewer"},
        {"login": "bob:blog", "role": "viewer"},
        {"login": "", "role": "viewer"},
        {"login": "bob", "role": "nonsense"},
        {"login": "b" * 100, "role": "viewer"},
    ],
)
async def test_what_can_not_be_is_said(house: Any, form: dict[str, str]) -> None:
    browser = await some(house)
    page = await browser.submit(await browser.get(PAGE), form, action=PAGE)
    assert 400 <= page.status_code < 500
    assert "<script>alert" not in page.text
    assert 'role="alert"' in page.text


async def test_a_guest_is_invited_by_a_link_that_is_shown_once_and_withdrawn(house: Any) -> None:
    browser = await some(house)
    page = await browser.get(PAGE)
    form = {"email": "guest@example.org", "role": "viewer"}
    page = await browser.submit(page, form, action=f"{PAGE}/invite")
    assert page.status_code == 200
    link = page.text.partition("<code>https://")[2].partition("<")[0]
    assert "/join#" in link
    page = await browser.get(PAGE)
    assert link not in page.text
    assert "guest@example.org" in page.text
    page = await browser.follow(await browser.submit(page, {}, action=f"{PAGE}/invitations/withdraw"))
    assert "guest@example.org" not in page.text
    page = await browser.submit(page, {"email": "nonsense", "role": "viewer"}, action=f"{PAGE}/invite")
    assert page.status_code == 400
    assert 'value="nonsense"' in page.text


async def test_who_may_only_look_is_offered_nothing_and_strangers_learn_nothing(house: Any) -> None:
    developer = await some(house, "developer")
    page = await developer.get(PAGE)
    assert page.status_code == 200
    assert f'action="{PAGE}' not in page.text
    assert (await developer.get(PAGE.replace("shop", "none"))).status_code == 404
    stranger = await house.visitor("eve", ("other", "owner"))
    answers = [(await stranger.get(path)).status_code for path in (PAGE, PAGE.replace("shop", "none"))]
    assert answers[0] == answers[1]
