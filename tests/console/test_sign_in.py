"""Coming and going."""

from __future__ import annotations

from typing import Any

from serai.identity.testing import PASSPHRASE


async def test_nobody_is_asked_who_they_are_and_led_back_to_where_they_wanted_to_go(house: Any) -> None:
    await house.api.person("ada", ("", "operator"))
    browser = house.browser()
    page = await browser.get("/?after=acme%2Fx")
    assert page.status_code == 401
    answer = await browser.submit(page, {"login": "ada", "password": PASSPHRASE})
    assert (answer.status_code, answer.headers["location"]) == (303, "/?after=acme%2Fx")
    page = await browser.follow(answer)
    assert page.status_code == 200
    assert "ada" in page.text


async def test_an_invitation_opened_in_a_session_that_ends_is_taken_up_all_the_same(house: Any) -> None:
    await house.api.call("POST", "/v1/tenants", {"name": "acme"})
    ada = await house.visitor("ada")
    invited = {"email": "ada@example.test", "role": "viewer"}
    link = (await house.api.call("POST", "/v1/invitations/acme", invited))["link"]
    page = await ada.get("/join")
    ada.cookies.pop("__Host-serai")
    asked = await ada.submit(page, {"secret": link.partition("#")[2]}, action="/join")
    assert asked.status_code == 401
    again = await ada.submit(asked, {"login": "ada", "password": PASSPHRASE})
    done = await ada.follow(await ada.submit(again, {}, action="/join"))
    assert "Welcome." in done.text
    assert (await ada.get("/tenants/acme")).status_code == 200
