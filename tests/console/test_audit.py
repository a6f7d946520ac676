"""The audit on pages."""

from __future__ import annotations

from typing import Any

import pytest

from serai.identity.descriptors import Tenant


async def test_changes_are_searched_and_lead_to_what_they_changed(house: Any) -> None:
    for number, name in enumerate(("demo", "other")):
        await house.store.put("user:bob", f"made {name} <b>", name, name, Tenant(uid=number + 1))
    browser = await house.visitor("ops", ("", "operator"))
    page = await browser.get("/audit?who=user%3Abob&kind=tenant")
    assert "made demo &lt;b&gt;" in page.text
    assert "made other" in page.text
    page = await browser.get("/audit?who=user%3Abob&name=demo&since=2020-01-01&until=2020-02-01")
    assert "No change like that" in page.text
    assert 'href="/audit">Show all</a>' in page.text
    page = await browser.get("/audit?who=bob")
    assert "made demo" in page.text, "people are found by their login"
    assert '<a href="/audit?who=user%3Abob">bob</a>' in page.text
    assert (await browser.get("/kinds/tenant/demo/demo/history?new=1")).status_code == 200


async def test_a_tenant_sees_what_was_refused_there_and_nothing_else(house: Any) -> None:
    await house.store.put("user:root", "test", "demo", "demo", Tenant(uid=1))
    eve = await house.visitor("eve", ("other", "owner"))
    await eve.get("/tenants/demo/tasks")
    await house.api.desk.audit.flush()
    browser = await house.visitor("ada", ("demo", "owner"))
    page = await browser.get("/tenants/demo/audit/refusals")
    assert "eve" in page.text
    assert "task.read" in page.text
    assert (await browser.get("/audit")).status_code == (await eve.get("/tenants/demo/audit")).status_code == 404


@pytest.mark.parametrize("query", ["since=yesterday", "before=x", "until=99999-01-01"])
async def test_what_is_no_day_is_said(house: Any, query: str) -> None:
    browser = await house.visitor("ops", ("", "operator"))
    page = await browser.get(f"/audit?{query}")
    assert page.status_code == 400
    assert "<h1>" in page.text
