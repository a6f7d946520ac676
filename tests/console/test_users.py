"""Accounts, for operators: made, let in by a link that is shown once, locked out, deleted and had back."""

from __future__ import annotations

from typing import Any

import pytest

from serai.errors import NotFoundError
from serai.identity.descriptors import Tenant
from serai.identity.people import Member, User

BOB = "/people/bob"


async def operator(house: Any) -> Any:
    await house.api.person("bob", ("acme", "viewer"))
    return await house.visitor("ops", ("", "operator"))


async def user(house: Any, login: str = "bob") -> Any:
    return (await house.store.get(User, "", login)).spec


async def test_an_account_is_made_and_its_link_shown_once(house: Any) -> None:
    browser = await operator(house)
    form = {"login": "carl", "email": "carl@example.test", "title": "<b>Carl", "operator": "on"}
    page = await browser.submit(await browser.get("/people"), form, action="/people")
    assert page.status_code == 200
    secret = page.text.partition("/reset#")[2].partition("<")[0]
    assert (await house.store.get(Member, "", "carl")).spec.role == "operator"
    for path in ("/people", "/people/carl"):
        page = await browser.get(path)
        assert secret not in page.text
        assert "<b>Carl" not in page.text
    new = house.browser()
    form = {"secret": secret, "password": "another long passphrase 17"}
    assert (await new.submit(await new.get("/reset"), form, action="/reset")).status_code == 303


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"login": "No"}, "A login begins with a letter"),
        ({"login": "bob"}, "There is a user"),
        ({"email": "nowhere"}, "not an e-mail address"),
        ({"login": ""}, "This is needed."),
        ({"title": "x" * 101}, "at most 100 characters"),
    ],
)
async def test_what_is_no_account_is_said(house: Any, form: Any, said: str) -> None:
    browser = await operator(house)
    form = {"login": "carl", "email": "typed@example.test", **form}
    page = await browser.submit(await browser.get("/people"), form, action="/people")
    assert 400 <= page.status_code < 500
    assert said in page.text
    assert f'value="{form["email"]}"' in page.text


async def test_the_list_is_paged_and_found_by_login(house: Any) -> None:
    browser = await operator(house)
    for number in range(60):
        await house.store.put("user:root", "test", "", f"u{number:03}", User())
    page = await browser.get("/people")
    assert "u047" in page.text
    assert "u050" not in page.text
    assert "Next page" in page.text
    assert "u047" not in (await browser.get("/people?prefix=u05")).text


async def test_an_account_is_changed_and_what_another_changed_is_shown(house: Any) -> None:
    browser = await operator(house)
    mine = await browser.get(BOB)
    assert "viewer" in mine.text
    await house.store.put("user:eve", "test", "", "bob", User(email="bob@other.test"))
    page = await browser.submit(mine, {"title": "Bob"}, action=BOB)
    assert page.status_code == 409
    assert "<ins>bob@other.test</ins>" in page.text
    await browser.follow(await browser.submit(page, {"email": "bob@other.test"}, action=BOB))
    assert await user(house) == User(email="bob@other.test", title="Bob")


async def test_somebody_is_locked_out_and_let_in_again(house: Any) -> None:
    browser = await operator(house)
    theirs = house.browser()
    await theirs.sign_in("bob")
    page = await browser.follow(await browser.submit(await browser.get(BOB), {}, action=f"{BOB}/lock"))
    assert "bob is locked out" in page.text
    assert (await theirs.get("/account")).status_code == 401
    page = await browser.follow(await browser.submit(page, {}, action=f"{BOB}/lock"))
    assert "may come in again" in page.text
    assert not (await user(house)).disabled


async def test_sessions_end_and_a_password_is_taken_away(house: Any) -> None:
    browser = await operator(house)
    theirs = house.browser()
    for action, form in ((f"{BOB}/end", {}), (f"{BOB}/reset", {"factors": "on"})):
        await theirs.sign_in("bob")
        answer = await browser.submit(await browser.get(BOB), form, action=action)
        assert answer.status_code in {200, 303}
        assert (await theirs.get("/account")).status_code == 401
    assert "/reset#" in answer.text
    assert "/reset#" not in (await browser.get(BOB)).text


async def test_an_account_is_deleted_with_its_login_and_had_back_bare(house: Any) -> None:
    browser = await operator(house)
    page = await browser.get(BOB)
    wrong = await browser.submit(page, {"repeat": "rob"}, action=f"{BOB}/delete")
    assert wrong.status_code == 400
    assert "Repeat the name" in wrong.text
    page = await browser.submit(page, {"repeat": "bob"}, action=f"{BOB}/delete")
    page = await browser.get(page.headers["location"])
    assert page.status_code == 404
    await browser.follow(await browser.submit(page, {}, action=f"{BOB}/undelete"))
    assert (await user(house)).email == "bob@example.test"
    with pytest.raises(NotFoundError):
        await house.store.get(Member, "acme", "bob")


async def test_nobody_is_offered_to_lock_out_themselves(house: Any) -> None:
    browser = await operator(house)
    page = await browser.get("/people/ops")
    assert "This is you" in page.text
    assert "/lock" not in page.text
    assert "/delete" not in page.text


async def test_somebody_is_let_into_a_tenant_and_an_app_of_it(house: Any) -> None:
    await house.store.put("user:root", "test", "acme", "acme", Tenant(uid=1))
    browser = await operator(house)
    page, path = await browser.get(BOB), f"{BOB}/join"
    answer = await browser.submit(page, {"tenant": "acme", "role": "viewer", "app": "shop"}, action=path)
    page = await browser.follow(answer)
    assert "bob is viewer of shop now." in page.text
    assert "/tenants/acme/people/bob%3Ashop" in page.text
    assert (await house.store.get(Member, "acme", "bob:shop")).spec.role == "viewer"
    page = await browser.follow(await browser.submit(page, {"tenant": "-", "role": "operator"}, action=path))
    assert "bob is operator of the platform now." in page.text
    for form, said in (
        ({"tenant": "acme", "role": "king"}, "There is no such role."),
        ({"tenant": "", "role": "viewer"}, "This is needed."),
        ({"tenant": "-", "role": "operator"}, ""),  # there is one already
    ):
        answer = await browser.submit(page, form, action=path)
        assert 400 <= answer.status_code < 500
        assert said in answer.text
        assert f'value="{form["role"]}"' in answer.text


async def test_it_is_for_operators_alone(house: Any) -> None:
    await operator(house)
    browser = await house.visitor("ada", ("acme", "owner"))
    assert {(await browser.get(path)).status_code for path in ("/people", BOB, "/people/missing")} == {404}
    token = (await browser.get("/account")).text.partition('name="csrf" value="')[2].partition('"')[0]
    asked = {BOB: {"email": "", "version": "1"}, f"{BOB}/lock": {"disabled": "on", "version": "1"}}
    asked |= {f"{BOB}/reset": {}, f"{BOB}/end": {}, f"{BOB}/delete": {"repeat": "bob"}}
    asked |= {f"{BOB}/join": {"tenant": "acme", "role": "owner"}, "/people": {"login": "x", "email": "x@example.test"}}
    for path, form in asked.items():
        assert (await browser.post(path, {"csrf": token, **form})).status_code in {403, 404}, path
    assert await user(house) == User(email="bob@example.test")
