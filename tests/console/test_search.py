"""Finding things by their names."""

from __future__ import annotations

from typing import Any

from serai.identity.descriptors import Tenant
from serai.services.apps.descriptors import App
from serai.store.contract import NewTask
from serai.tasks import Tasks


async def test_each_finds_what_they_may_see(house: Any) -> None:
    for number, tenant in enumerate(("demo", "other")):
        await house.store.put("user:root", "test", tenant, tenant, Tenant(uid=number + 1))
        await house.store.put("user:root", "test", tenant, f"shop-{tenant}", App())
    task = await Tasks(house.store, house.api.ctx.bus).add("user:test", NewTask(function="f", tenant="other"))
    operator = await house.visitor("ops", ("", "operator"))
    member = await house.visitor("ada", ("demo", "viewer"))
    page = await operator.get("/search?q=Shop")
    assert "/tenants/demo/apps/shop-demo" in page.text
    assert "/tenants/other/apps/shop-other" in page.text
    page = await member.get("/search?q=shop")
    assert "/tenants/demo/apps/shop-demo" in page.text
    assert "shop-other" not in page.text
    assert f"/tasks/{task}" in (await operator.get(f"/search?q={task}")).text
    assert f"/tasks/{task}" not in (await member.get(f"/search?q={task}")).text


async def test_nothing_and_nonsense_are_answered(house: Any) -> None:
    browser = await house.visitor("ops", ("", "operator"))
    assert (await browser.get("/search")).status_code == 200
    for wanted in ("%3Cscript%3E", "a%00b", "x" * 5000, "%F0%9F%90%B8", "a%2F..%2Fb"):
        page = await browser.get(f"/search?q={wanted}")
        assert page.status_code in {200, 400}
        assert "<script>alert" not in page.text
