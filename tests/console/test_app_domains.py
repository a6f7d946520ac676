"""An app's domains on their page: added, with the record that each needs, and taken away."""

from __future__ import annotations

import time
from typing import Any

import pytest
from browsing import unclean

from serai.identity.descriptors import Tenant
from serai.services.apps.descriptors import App

PAGE = "/tenants/demo/apps/shop/domains"
HOSTILE = '"><script>alert(1)</script>'


async def some(house: Any, role: str = "developer") -> Any:
    await house.store.put("user:root", "test", "demo", "demo", Tenant(uid=1))
    await house.store.put("user:root", "test", "demo", "shop", App(host="test"))
    return await house.visitor("ada", ("demo", role))


async def test_a_domain_is_added_shown_with_its_certificate_and_removed(house: Any) -> None:
    browser = await some(house)
    page = await browser.get(PAGE)
    assert "No domains yet" in page.text
    page = await browser.follow(await browser.submit(page, {"host": " WWW.Example.org. "}, action=PAGE))
    assert "www.example.org leads to shop" in page.text
    assert "www.example.org. CNAME demo.localhost." in page.text
    assert "not known now" in page.text
    assert unclean(page.text) == []
    end = time.time() + 60 * 86400

    async def told(names: list[str]) -> dict[str, float]:
        return dict.fromkeys(names, end)

    await house.api.ctx.bus.handle("edge.certificates", told)
    page = await browser.get(PAGE)
    assert "valid" in page.text
    assert "2 months from now" in page.text or "60 days from now" in page.text
    page = await browser.submit(page, {"repeat": "www"}, action=f"{PAGE}/remove")
    assert page.status_code == 400
    assert "still leads here" in page.text
    page = await browser.submit(page, {"repeat": "www.example.org"}, action=f"{PAGE}/remove")
    page = await browser.follow(page)
    assert "leads nowhere now" in page.text
    page = await browser.follow(await browser.submit(page, {}, action=PAGE))
    assert "www.example.org leads to shop" in page.text


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({"host": "nonsense"}, 400),
        ({"host": HOSTILE}, 400),
        ({"host": ""}, 400),
        ({"host": "x" * 400}, 400),
        ({"host": "neighbour.localhost"}, 403),
        ({"host": "www.example.net"}, 409),
        ({"host": "www.example.org", "environment": "A B"}, 400),
        ({"host": "www.example.org", "more": "1"}, 400),
    ],
)
async def test_what_can_not_be_is_said_and_kept(house: Any, form: dict[str, str], status: int) -> None:
    browser = await some(house)
    await house.store.put("user:root", "test", "rival", "rival", Tenant(uid=2))
    await house.store.put("user:root", "test", "rival", "shop", App(host="test"))
    await house.api.call("PUT", "/v1/apps/rival/shop/domains/www.example.net", {"environment": "prod"})
    page = await browser.submit(await browser.get(PAGE), form, action=PAGE)
    assert page.status_code == status
    assert "<script>alert" not in page.text
    if "more" not in form and form["host"].isascii() and form["host"].startswith("n"):
        assert f'value="{form["host"]}"' in page.text


async def test_who_may_only_look_is_offered_nothing_and_strangers_learn_nothing(house: Any) -> None:
    viewer = await some(house, "viewer")
    page = await viewer.get(PAGE)
    assert page.status_code == 200
    assert f'action="{PAGE}"' not in page.text
    stranger = await house.visitor("eve", ("other", "owner"))
    answers = [(await stranger.get(path)).status_code for path in (PAGE, PAGE.replace("shop", "none"))]
    assert answers[0] == answers[1]
