"""Releases on pages: listed, one shown, two compared, put live, deleted, had back."""

from __future__ import annotations

from typing import Any

import pytest
from browsing import unclean

from serai.services.apps.descriptors import Release
from serai.tasks import Tasks

RELEASES = "/tenants/demo/apps/shop/releases"


async def test_releases_are_listed_newest_first_a_page_at_a_time(shop: Any) -> None:
    browser = await shop.visitor("ada", ("demo", "viewer"))
    page = await browser.get(RELEASES)
    assert page.status_code == 200
    assert unclean(page.text) == []
    assert "<script>alert" not in page.text
    assert page.text.index(f"{RELEASES}/3") < page.text.index(f"{RELEASES}/1")
    for number in range(10, 40):
        release = Release(app="shop", number=number, blob="", created=1.0)
        await shop.store.put("user:root", "test", "demo", f"shop.{number}", release)
    page = await browser.get(RELEASES)
    assert f'{RELEASES}/39"' in page.text
    assert f'{RELEASES}/14"' not in page.text
    following = next(part for part in page.text.split('href="') if "before=" in part).partition('"')[0]
    page = await browser.get(following.replace("&amp;", "&"))
    assert f'{RELEASES}/14"' in page.text
    assert f'{RELEASES}/1"' in page.text


async def test_two_are_compared_by_what_they_are(shop: Any) -> None:
    browser = await shop.visitor("ada", ("demo", "viewer"))
    page = await browser.get(f"{RELEASES}/compare?old=1&new=3")
    assert page.status_code == 200
    assert unclean(page.text) == []
    assert "processes.web.memory_mb" in page.text
    assert "env.COLOUR" in page.text
    assert "health" not in page.text
    assert "the same" in (await browser.get(f"{RELEASES}/compare?old=1&new=1")).text
    for query in ("", "?old=1", "?old=x&new=2", "?old=1&new=99"):
        assert (await browser.get(f"{RELEASES}/compare{query}")).status_code in {400, 404}


async def test_a_release_is_put_live_where_it_is_said(shop: Any) -> None:
    browser = await shop.visitor("ada", ("demo", "developer"))
    page = await browser.get(f"{RELEASES}/3")
    assert unclean(page.text) == []
    assert "<script>alert" not in page.text
    refused = await browser.submit(page, {"environment": "No <b>"}, action=f"{RELEASES}/3/promote")
    assert refused.status_code == 400
    assert "No <b>" not in refused.text
    answer = await browser.submit(page, {"environment": "stage"}, action=f"{RELEASES}/3/promote")
    page = await browser.follow(answer)
    assert "Release 3 goes live in stage once it works" in page.text
    assert "apps.start" in page.text
    assert "apps.switch" in {task.function for task in await Tasks(shop.store).find()}
    part = await browser.get(f"{RELEASES}/3?part=release", hx_request="true")
    assert part.text.lstrip().startswith("<section")


async def test_a_release_is_deleted_by_its_name_and_had_back(shop: Any) -> None:
    browser = await shop.visitor("ada", ("demo", "owner"))
    assert f"{RELEASES}/2/delete" not in (await browser.get(f"{RELEASES}/2")).text, "it is live"
    page = await browser.get(f"{RELEASES}/3")
    refused = await browser.submit(page, {"repeat": "shop"}, action=f"{RELEASES}/3/delete")
    assert "That is not its name" in refused.text
    answer = await browser.submit(page, {"repeat": "shop.3"}, action=f"{RELEASES}/3/delete")
    assert answer.status_code == 303
    page = await browser.get(answer.headers["location"])
    assert page.status_code == 404
    assert "deleted this release" in page.text
    assert "comes back" in (await browser.follow(await browser.submit(page, {}, action=f"{RELEASES}/3/undelete"))).text


async def test_who_may_only_look_is_offered_nothing_and_refused(shop: Any) -> None:
    browser = await shop.visitor("vic", ("demo", "viewer"))
    page = await browser.get(f"{RELEASES}/3")
    assert page.status_code == 200
    assert "/promote" not in page.text
    assert "/delete" not in page.text
    token = page.text.partition('name="csrf" value="')[2].partition('"')[0]
    for verb, form in (("promote", {"environment": "prod"}), ("delete", {"repeat": "shop.3"})):
        assert (await browser.post(f"{RELEASES}/3/{verb}", {"csrf": token, **form})).status_code == 403


@pytest.mark.parametrize("path", ["", "/3", "/compare?old=1&new=2"])
async def test_another_tenants_releases_are_none(shop: Any, path: str) -> None:
    browser = await shop.visitor("eve", ("other", "owner"))
    foreign = await browser.get(f"{RELEASES}{path}")
    missing = await browser.get(f"{RELEASES}{path}".replace("demo", "nowhere"))
    assert foreign.status_code == missing.status_code
    assert foreign.status_code in {403, 404}
    assert (await browser.get(f"{RELEASES}{path}".replace("demo", "other"))).status_code == 404
