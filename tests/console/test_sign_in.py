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
