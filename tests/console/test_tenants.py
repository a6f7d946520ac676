"""Tenants: found, made, looked at by each role, changed by two people, deleted and had back."""

from __future__ import annotations

from typing import Any

import pytest

from serai.identity.descriptors import Tenant
from serai.services.apps.descriptors import App, Need

ROLES = ("owner", "developer", "viewer", "billing")


async def acme(house: Any, **quotas: Any) -> None:
    await house.api.call("POST", "/v1/tenants", {"name": "acme", "title": "<b>Acme</b> & sons", **quotas})


async def spec(house: Any) -> Tenant:
    found: Tenant = (await house.store.get(Tenant, "acme", "acme")).spec
    return found


async def test_an_operator_makes_a_tenant_and_comes_to_its_page(house: Any) -> None:
    browser = await house.visitor("ops", ("", "operator"))
    page = await browser.get("/tenants")
    assert "No tenants yet" in page.text
    page = await browser.submit(page, {"name": "acme", "title": "<b>Acme", "memory_mb": "512"}, action="/tenants")
    page = await browser.follow(page)
    assert page.status_code == 200
    assert "The tenant acme is made" in page.text
    assert "&lt;b&gt;Acme" in page.text
    assert "Nobody owns this tenant" in page.text
    assert (await spec(house)).memory_mb == 512


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"name": ""}, "This is needed."),
        ({"name": "No Name"}, "begins with a letter"),
        ({"name": "console"}, "begins with a letter"),
        ({"name": "x" * 65}, "at most 64 characters"),
        ({"name": "fine", "memory_mb": "much"}, "whole number"),
        ({"name": "fine", "tasks": "0"}, "at least 1"),
        ({"name": "acme"}, "already"),
    ],
)
async def test_what_is_no_tenant_is_said_and_what_was_typed_stays(house: Any, form: Any, said: str) -> None:
    await acme(house)
    browser = await house.visitor("ops", ("", "operator"))
    page = await browser.submit(await browser.get("/tenants"), {**form, "title": "typed"}, action="/tenants")
    assert 400 <= page.status_code < 500
    assert said in page.text
    assert 'value="typed"' in page.text


async def test_a_field_that_comes_twice_or_is_none_is_refused(house: Any) -> None:
    browser = await house.visitor("ops", ("", "operator"))
    token = (await browser.get("/tenants")).text.partition('name="csrf" value="')[2].partition('"')[0]
    for more in ([("name", "b")], [("uid", "7")]):
        answer = await browser.post("/tenants", [("csrf", token), ("name", "a"), *more])
        assert answer.status_code == 400


async def test_the_list_is_paged_and_found_by_how_a_name_begins(house: Any) -> None:
    for number in range(60):
        await house.store.put("user:root", "test", f"t{number:03}", f"t{number:03}", Tenant(uid=number + 1))
    browser = await house.visitor("ops", ("", "operator"))
    page = await browser.get("/tenants")
    assert "t049" in page.text
    assert "t050" not in page.text
    assert "Next page" in page.text
    page = await browser.get("/tenants?prefix=t05")
    assert "t050" in page.text
    assert "t049" not in page.text
    assert "Show all" in (await browser.get("/tenants?prefix=none")).text


async def test_others_see_their_own_tenants_and_what_they_are_there(house: Any) -> None:
    await acme(house)
    await house.store.put("user:root", "test", "other", "other", Tenant(uid=9))
    browser = await house.visitor("ada", ("acme", "owner"), ("third:shop", "developer"))
    page = await browser.get("/tenants")
    assert "owner" in page.text
    assert "developer of shop" in page.text
    assert "other" not in page.text
    assert 'id="make"' not in page.text
    page = await browser.get("/tenants/third")
    assert 'href="/tenants/third/apps/shop"' in page.text


@pytest.mark.parametrize("role", ROLES)
async def test_each_role_sees_what_it_may_and_is_offered_no_more(house: Any, role: str) -> None:
    await acme(house)
    await house.store.put("user:root", "test", "acme", "shop", App())
    browser = await house.visitor("ada", ("acme", role))
    page = await browser.get("/tenants/acme")
    assert page.status_code == 200
    assert "<b>Acme" not in page.text
    assert ("shop" in page.text) == (role != "billing")
    page = await browser.get("/tenants/acme/quotas")
    assert page.status_code == 200
    assert "/delete" not in page.text
    assert 'name="memory_mb"' not in page.text
    for path in ("quotas", "delete", "undelete", "purge"):
        token = page.text.partition('name="csrf" value="')[2].partition('"')[0]
        form: dict[str, Any] = (
            {"memory_mb": 1, "disk_mb": 1, "processes": 1, "tasks": 1, "version": 1} if path == "quotas" else {}
        )
        form |= {"repeat": "acme", "trash": "acme.00000000"} if path in {"delete", "purge"} else {}
        answer = await browser.post(f"/tenants/acme/{path}", {"csrf": token, **form})
        assert answer.status_code == 403, path
    assert (await spec(house)).memory_mb == 16384


async def test_strangers_learn_nothing(house: Any) -> None:
    await acme(house)
    browser = await house.visitor("eve", ("other", "owner"))
    paths = ("/tenants/acme", "/tenants/missing", "/tenants/acme/quotas", "/tenants/missing/quotas")
    assert {(await browser.get(path)).status_code for path in paths} == {404}


async def test_quotas_are_bars_and_a_full_one_needs_attention(house: Any) -> None:
    await acme(house, memory_mb=1000)
    await house.store.put("system", "test", "acme", "acme", Need(memory_mb=950, processes=3, disk_mb=1024))
    page = await (await house.visitor("ada", ("acme", "owner"))).get("/tenants/acme")
    assert "950 MiB of 1000 MiB" in page.text
    assert "1.0 GiB of 32.0 GiB" in page.text
    assert "nearly full" in page.text
    assert "Add a second factor" in page.text


async def test_of_two_who_change_quotas_the_second_sees_what_the_first_did(house: Any) -> None:
    await acme(house)
    browser = await house.visitor("ops", ("", "operator"))
    mine, path = await browser.get("/tenants/acme/quotas"), "/tenants/acme/quotas"
    first = await spec(house)
    await house.api.call("PATCH", "/v1/tenant/acme/acme", {"memory_mb": 77})
    page = await browser.submit(mine, {"disk_mb": "4242"}, action=path)
    assert page.status_code == 409
    assert "<ins>77</ins>" in page.text
    assert 'value="4242"' in page.text
    assert (await spec(house)).disk_mb == first.disk_mb
    await browser.follow(await browser.submit(page, {}, action=path))
    assert (await spec(house)).disk_mb == 4242


async def test_a_tenant_is_deleted_with_its_name_and_had_back(house: Any) -> None:
    await acme(house)
    browser = await house.visitor("ops", ("", "operator"))
    page = await browser.get("/tenants/acme/quotas")
    wrong = await browser.submit(page, {"repeat": "acm"}, action="/tenants/acme/delete")
    assert wrong.status_code == 400
    page = await browser.submit(page, {"repeat": "acme"}, action="/tenants/acme/delete")
    page = await browser.get(page.headers["location"])
    assert page.status_code == 404
    assert "ops from 192.0.2.7 deleted it" in page.text
    assert "acme" in (await browser.get("/tenants?show=deleted")).text
    page = await browser.follow(await browser.submit(page, {}, action="/tenants/acme/undelete"))
    assert page.status_code == 200
    assert "acme is back" in page.text


async def test_what_is_kept_of_a_tenant_is_ended_with_its_name(house: Any) -> None:
    await acme(house)
    browser = await house.visitor("ops", ("", "operator"))
    await house.api.call("DELETE", "/v1/tenant/acme/acme", query={"confirm": "acme"})
    page = await browser.get("/tenants?show=deleted")
    wrong = await browser.submit(page, {"repeat": "other"}, action="/tenants/acme/purge")
    assert wrong.status_code == 400
    assert "Repeat the tenant" in wrong.text
    answer = await browser.submit(page, {"repeat": "acme"}, action="/tenants/acme/purge")
    assert answer.status_code == 303
