"""Releases on pages: listed, one shown, two compared, put live, deleted, had back."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from browsing import token_of, unclean

from serai.services.apps.descriptors import Release
from serai.services.apps.git.source import Source
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


async def test_a_release_is_put_before_visitors_from_the_list(shop: Any) -> None:
    browser = await shop.visitor("ada", ("demo", "developer"))
    page = await browser.get(RELEASES)
    assert f"{RELEASES}/2/promote" not in page.text, "they see it already"
    answer = await browser.submit(page, {}, action=f"{RELEASES}/1/promote")
    assert "Release 1 goes live in prod once it works" in (await browser.follow(answer)).text


async def test_what_failed_is_deployed_again_from_the_same_files(shop: Any) -> None:
    failed = (await shop.store.get(Release, "demo", "shop.3")).spec
    failed = msgspec.structs.replace(failed, state="failed", reason="it fell", blob="a" * 64, title="Rolls")
    await shop.store.put("user:root", "test", "demo", "shop.3", failed)
    browser = await shop.visitor("ada", ("demo", "developer"))
    page = await browser.get(f"{RELEASES}/3")
    refused = await browser.submit(page, {"environment": "No <b>"}, action=f"{RELEASES}/3/again")
    assert refused.status_code == 400
    answer = await browser.submit(page, {"environment": "stage"}, action=f"{RELEASES}/3/again")
    assert answer.headers["location"] == f"{RELEASES}/4"
    fresh = (await shop.store.get(Release, "demo", "shop.4")).spec
    assert (fresh.blob, fresh.title, fresh.git) == ("a" * 64, "Rolls", None)


async def test_a_repository_is_fetched_again_with_the_branch_that_was_asked_for(shop: Any) -> None:
    source = Source(url="https://192.0.2.1/shop.git", ref="main", folder="web", commit="c" * 40)
    release = msgspec.structs.replace((await shop.store.get(Release, "demo", "shop.3")).spec, git=source)
    await shop.store.put("user:root", "test", "demo", "shop.3", release)
    browser = await shop.visitor("ada", ("demo", "developer"))
    page = await browser.get(f"{RELEASES}/3")
    assert f'formaction="{RELEASES}/3/again"' in page.text
    refused = await browser.post(f"{RELEASES}/3/again", {"csrf": token_of(page), "environment": "prod"})
    assert "192.0.2.1" in refused.text, "where nothing may be fetched from"
    await shop.store.put("user:root", "test", "demo", "shop.3", msgspec.structs.replace(release, state="failed"))
    assert "Deploy its repository again" in (await browser.get(f"{RELEASES}/3")).text


async def test_a_release_leads_to_its_log_and_to_what_visitors_see(shop: Any) -> None:
    browser = await shop.visitor("ada", ("demo", "developer"))
    page = await browser.get(f"{RELEASES}/3")
    assert f'href="{RELEASES.removesuffix("/releases")}/logs?name=shop.3."' in page.text
    assert f'href="{RELEASES}/compare?old=2&amp;new=3"' in page.text
    assert f'href="{RELEASES}/compare?old=1&amp;new=2"' in (await browser.get(f"{RELEASES}/2")).text


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
    for verb in ("promote", "again", "delete"):
        assert f"/{verb}" not in page.text
    token = page.text.partition('name="csrf" value="')[2].partition('"')[0]
    for verb, form in (
        ("promote", {"environment": "prod"}),
        ("again", {"environment": "prod"}),
        ("delete", {"repeat": "shop.3"}),
    ):
        assert (await browser.post(f"{RELEASES}/3/{verb}", {"csrf": token, **form})).status_code == 403


@pytest.mark.parametrize("path", ["", "/3", "/compare?old=1&new=2"])
async def test_another_tenants_releases_are_none(shop: Any, path: str) -> None:
    browser = await shop.visitor("eve", ("other", "owner"))
    foreign = await browser.get(f"{RELEASES}{path}")
    missing = await browser.get(f"{RELEASES}{path}".replace("demo", "nowhere"))
    assert foreign.status_code == missing.status_code
    assert foreign.status_code in {403, 404}
    assert (await browser.get(f"{RELEASES}{path}".replace("demo", "other"))).status_code == 404
