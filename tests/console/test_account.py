"""One's own account, and tokens: changed with proof, shown once."""

from __future__ import annotations

import re
import time
from typing import Any

from serai.identity import totp
from serai.identity.testing import PASSPHRASE

NEW = "another long passphrase 17"


async def test_the_password_is_changed_with_the_old_one(house: Any) -> None:
    browser = await house.visitor("ada", ("demo", "viewer"))
    path, page = "/account/password", await browser.get("/account")
    answer = await browser.submit(page, {"old": PASSPHRASE, "new": NEW, "again": "x"}, action=path)
    assert answer.status_code == 400
    assert "not the same" in answer.text
    assert NEW not in answer.text
    answer = await browser.submit(page, {"old": "wrong", "new": NEW, "again": NEW}, action=path)
    assert answer.status_code == 403
    assert "wrong" in answer.text
    page = await browser.follow(await browser.submit(page, {"old": PASSPHRASE, "new": NEW, "again": NEW}, action=path))
    assert "Your password is changed" in page.text
    again = house.browser()
    assert (await again.post("/sign-in", {"login": "ada", "password": NEW})).status_code == 303


async def test_an_authenticator_app_is_begun_confirmed_and_ended(house: Any) -> None:
    browser = await house.visitor("ada", ("demo", "viewer"))
    page = await browser.get("/account")
    page = await browser.submit(page, {"password": PASSPHRASE}, action="/account/totp")
    assert page.status_code == 200
    secret = page.text.partition('<span class="copy"><code>')[2].partition("<")[0]
    page = await browser.submit(page, {"code": "000000"}, action="/account/totp/confirm")
    assert page.status_code == 400
    assert secret not in page.text
    code = totp.code_at(secret, int(time.time() // 30))
    page = await browser.submit(page, {"code": code}, action="/account/totp/confirm")
    codes = re.findall(r"<li><code>([^<]+)</code>", page.text)
    assert len(codes) >= 8
    page = await browser.get("/account")
    assert codes[0] not in page.text
    page = await browser.follow(await browser.submit(page, {"code": codes[0]}, action="/account/totp/remove"))
    assert "asked for no more" in page.text


async def test_another_session_is_ended_and_this_one_is_not(house: Any) -> None:
    browser = await house.visitor("ada", ("demo", "viewer"))
    other = house.browser()
    await other.sign_in("ada")
    page = await browser.get("/account")
    [action] = re.findall(r'action="(/account/sessions/[^"]+/end)"', page.text)
    await browser.follow(await browser.submit(page, {}, action=action))
    assert (await other.get("/account")).status_code == 401
    assert (await browser.get("/account")).status_code == 200


async def test_all_other_sessions_are_ended_at_once(house: Any) -> None:
    browser = await house.visitor("ada", ("demo", "viewer"))
    others = [house.browser() for _ in range(2)]
    for other in others:
        await other.sign_in("ada")
    page = await browser.get("/account")
    page = await browser.follow(await browser.submit(page, {}, action="/account/sessions/end-others"))
    assert "2 other sessions have ended." in page.text
    assert [(await other.get("/account")).status_code for other in others] == [401, 401]
    assert "end-others" not in page.text


async def test_a_token_is_shown_once_narrowed_and_ended(house: Any) -> None:
    browser = await house.visitor("ada", ("demo", "owner"))
    for path, named in (("/tokens", {}), ("/tenants/demo/tokens", {"name": "ci"})):
        page = await browser.get(path)
        form = {"title": "for <b>CI", "actions": "app.read\napp.deploy", "days": "30", **named}
        page = await browser.submit(page, form, action=path)
        assert page.status_code == 200
        token = page.text.partition("<code>")[2].partition("<")[0]
        told = await house.api.front("GET", "/v1/me", authorization=f"Bearer {token}")
        assert told.status_code == 200
        page = await browser.get(path)
        assert token not in page.text
        assert "for &lt;b&gt;CI" in page.text
        assert "app.deploy" in page.text
        for action in re.findall(rf'action="({path}/[^"]+/end)"', page.text):
            page = await browser.follow(await browser.submit(page, {}, action=action))
        assert (await house.api.front("GET", "/v1/me", authorization=f"Bearer {token}")).status_code == 401


async def test_a_token_can_not_be_wider_than_who_makes_it(house: Any) -> None:
    browser = await house.visitor("vic", ("demo", "viewer"))
    page = await browser.get("/tokens")
    answer = await browser.submit(page, {"title": "typed", "tenant": "other"}, action="/tokens")
    assert 400 <= answer.status_code < 500
    assert "typed" in answer.text
    answer = await browser.submit(page, {"title": "typed", "networks": "nowhere"}, action="/tokens")
    assert 400 <= answer.status_code < 500
