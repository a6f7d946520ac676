"""Apps on pages: listed, found, shown, scaled, restarted, deleted, had back."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from browsing import forms, unclean

from serai.cloud.descriptors import Instance
from serai.services.apps.descriptors import App, Release
from serai.tasks import Tasks

SHOP = "/tenants/demo/apps/shop"


async def test_a_list_is_paged_and_found_by_how_names_begin(house: Any) -> None:
    browser = await house.visitor("ada", ("demo", "developer"))
    page = await browser.get("/tenants/demo/apps")
    assert "No apps yet" in page.text
    for number in range(60):
        await house.store.put("user:root", "test", "demo", f"app{number:02}", App(host="test"))
    await house.store.put("user:root", "test", "other", "theirs", App(host="test"))
    page = await browser.get("/tenants/demo/apps")
    assert "app49" in page.text
    assert "app50" not in page.text
    assert "theirs" not in page.text
    following = next(part for part in page.text.split('href="') if "after=" in part).partition('"')[0]
    assert "app59" in (await browser.get(following.replace("&amp;", "&"))).text
    page = await browser.get("/tenants/demo/apps?prefix=app5")
    assert "app55" in page.text
    assert "app49" not in page.text
    assert "name begins like that" in (await browser.get("/tenants/demo/apps?prefix=zz")).text
    part = await browser.get("/tenants/demo/apps?part=apps", hx_request="true")
    assert part.text.lstrip().startswith("<section")


async def test_operators_see_the_apps_of_all_tenants(shop: Any) -> None:
    await shop.store.put("user:root", "test", "other", "theirs", App(host="test"))
    page = await (await shop.visitor("opal", ("", "operator"))).get("/apps")
    assert "shop" in page.text
    assert "theirs" in page.text
    browser = await shop.visitor("ada", ("demo", "owner"))
    assert (await browser.get("/apps")).status_code in {403, 404}


async def test_an_app_shows_what_is_live_and_where(shop: Any) -> None:
    browser = await shop.visitor("ada", ("demo", "owner"))
    page = await browser.get(SHOP, host="console.localhost:8443", origin="https://console.localhost:8443")
    assert page.status_code == 200
    assert unclean(page.text) == []
    assert "https://demo.localhost:8443/shop/" in page.text
    assert "Roll back to 1" in page.text
    assert "<script>alert" not in page.text
    assert (await browser.get(f"{SHOP}?part=state", hx_request="true")).text.lstrip().startswith("<section")


async def test_an_app_says_how_it_is(shop: Any) -> None:
    browser = await shop.visitor("ada", ("demo", "owner"))
    instance = (await shop.store.get(Instance, "demo", "shop.2.web.0")).spec
    assert ">1 running<" in (await browser.get(SHOP)).text
    await shop.store.put("user:root", "test", "demo", "shop.2.web.1", msgspec.structs.replace(instance, state="failed"))
    assert ">1 of 2 ready<" in (await browser.get(SHOP)).text
    await shop.store.put(
        "user:root", "test", "demo", "shop.2.web.0", msgspec.structs.replace(instance, state="waiting")
    )
    assert ">none ready<" in (await browser.get(SHOP)).text
    page = await browser.follow(await browser.submit(await browser.get(SHOP), {}, action=f"{SHOP}/stop"))
    assert ">stopped<" in page.text


async def test_an_app_whose_newest_release_failed_says_so(shop: Any) -> None:
    browser = await shop.visitor("vic", ("demo", "viewer"))
    assert "What was live before still is" not in (await browser.get(SHOP)).text
    failed = msgspec.structs.replace(
        (await shop.store.get(Release, "demo", "shop.3")).spec, state="failed", reason="it fell"
    )
    await shop.store.put("user:root", "test", "demo", "shop.3", failed)
    page = await browser.get(SHOP)
    assert f'<a href="{SHOP}/releases/3">Release 3</a> failed' in page.text
    assert "it fell What was live before still is." in page.text


async def test_a_deployment_is_shown_step_by_step_and_can_be_canceled(shop: Any) -> None:
    browser = await shop.visitor("ada", ("demo", "developer"))
    page = await browser.follow(await browser.submit(await browser.get(SHOP), {}, action=f"{SHOP}/rollback"))
    assert 'title="apps.switch"' in page.text
    first = next(one for one in forms(page.text) if one.action.endswith("/cancel"))
    answer = await browser.submit(page, {}, action=first.action)
    assert "The task is canceled" in (await browser.follow(answer)).text


async def test_the_list_leads_to_where_apps_answer(shop: Any) -> None:
    browser = await shop.visitor("ada", ("demo", "viewer"))
    page = await browser.get("/tenants/demo/apps", host="console.localhost:8443")
    assert 'href="https://demo.localhost:8443/shop/"' in page.text


async def test_an_app_is_scaled_and_a_refusal_is_said(shop: Any) -> None:
    browser = await shop.visitor("ada", ("demo", "developer"))
    page = await browser.get(SHOP)
    page = await browser.follow(await browser.submit(page, {"count": "2"}, action=f"{SHOP}/scale"))
    assert "2 of web from now on" in page.text
    assert (await shop.store.get(App, "demo", "shop")).spec.scale == {"web": 2}
    refused = await browser.submit(page, {"count": "101"}, action=f"{SHOP}/scale")
    assert refused.status_code == 400
    refused = await browser.submit(page, {"process": "nothing"}, action=f"{SHOP}/scale")
    assert refused.status_code == 400
    assert "has no process nothing" in refused.text
    assert (await shop.store.get(App, "demo", "shop")).spec.scale == {"web": 2}


async def test_an_app_goes_back_and_is_restarted(shop: Any) -> None:
    browser = await shop.visitor("ada", ("demo", "developer"))
    page = await browser.get(SHOP)
    page = await browser.follow(await browser.submit(page, {}, action=f"{SHOP}/rollback"))
    assert "prod goes back to release 1" in page.text
    assert "Going on now" in page.text
    page = await browser.follow(await browser.submit(page, {}, action=f"{SHOP}/restart"))
    assert "renewed one after the other" in page.text
    functions = {task.function for task in await Tasks(shop.store).find()}
    assert "apps.switch" in functions


async def test_an_app_is_stopped_and_started(shop: Any) -> None:
    browser = await shop.visitor("ada", ("demo", "developer"))
    page = await browser.follow(await browser.submit(await browser.get(SHOP), {}, action=f"{SHOP}/stop"))
    assert "shop is stopped" in page.text
    assert (await shop.store.get(App, "demo", "shop")).spec.scale == {"web": 0}
    page = await browser.follow(await browser.submit(page, {}, action=f"{SHOP}/start"))
    assert "shop starts" in page.text
    assert (await shop.store.get(App, "demo", "shop")).spec.scale == {"web": 1}


async def test_an_app_is_deleted_by_its_name_and_had_back(shop: Any) -> None:
    browser = await shop.visitor("ada", ("demo", "owner"))
    page = await browser.get(SHOP)
    refused = await browser.submit(page, {"repeat": "shap"}, action=f"{SHOP}/delete")
    assert refused.status_code == 400
    assert "That is not its name" in refused.text
    answer = await browser.submit(page, {"repeat": "shop"}, action=f"{SHOP}/delete")
    assert answer.status_code == 303
    page = await browser.get(answer.headers["location"])
    assert page.status_code == 404
    assert "deleted this app" in page.text
    assert (await browser.get(f"{SHOP}/scale")).status_code in {404, 405}
    answer = await browser.submit(page, {}, action=f"{SHOP}/undelete")
    assert "comes back" in (await browser.follow(answer)).text


async def test_somebody_who_may_only_look_is_offered_nothing_and_refused(shop: Any) -> None:
    browser = await shop.visitor("vic", ("demo", "viewer"))
    page = await browser.get(SHOP)
    assert page.status_code == 200
    for verb in ("scale", "rollback", "restart", "stop", "start", "delete", "deploy"):
        assert f"{SHOP}/{verb}" not in page.text
    token = page.text.partition('name="csrf" value="')[2].partition('"')[0]
    for verb, form in (("scale", {"process": "web", "count": "2"}), ("restart", {}), ("delete", {"repeat": "shop"})):
        assert (await browser.post(f"{SHOP}/{verb}", {"csrf": token, **form})).status_code == 403


async def test_another_tenants_app_is_one_that_is_not_there(shop: Any) -> None:
    browser = await shop.visitor("eve", ("other", "owner"))
    foreign, missing = await browser.get(SHOP), await browser.get("/tenants/nowhere/apps/shop")
    assert foreign.status_code == missing.status_code
    assert foreign.status_code in {403, 404}
    assert (await browser.get("/tenants/other/apps/shop")).status_code == 404


@pytest.mark.parametrize("fields", [[("count", "1"), ("count", "2")], [("count", "x" * 300_000)], [("other", "1")], []])
async def test_forms_that_are_none_are_refused(shop: Any, fields: list[tuple[str, str]]) -> None:
    browser = await shop.visitor("ada", ("demo", "developer"))
    page = await browser.get(SHOP)
    token = page.text.partition('name="csrf" value="')[2].partition('"')[0]
    answer = await browser.post(f"{SHOP}/scale", [("csrf", token), *fields])
    assert answer.status_code in {400, 413}
    assert "<h1>" in answer.text
