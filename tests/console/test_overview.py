"""The first page: the host or a tenant over time, and the busiest apps."""

from __future__ import annotations

from typing import Any

import pytest
from browsing import unclean

from serai.cloud.descriptors import Instance
from serai.console.heeding import WAYS, matter
from serai.console.visit import local
from serai.daemon.attention import Fact
from serai.services.apps.descriptors import App
from serai.services.series import asking

HOSTILE = '"><script>alert(1)</script>'


@pytest.fixture
async def counted(house: Any) -> Any:
    """A house whose numbers are told by a series that has little to say."""
    asked: list[dict[str, Any]] = []

    async def read(ask: Any) -> Any:
        asked.append(ask)
        names = list(ask["names"])
        columns = [[60.0, 120.0, 180.0], *[[1.5, None, 3.0] for _ in names]]
        return {
            "target": ask["target"], "step": ask["step"], "names": names, "units": ["1/s"] * len(names),
            "columns": columns,
        }  # fmt: skip

    async def glance(ask: Any) -> Any:
        asked.append(ask)
        look = {
            "tenant": ask["tenant"] or "acme", "app": "shop", "requests": 12.5, "errors": 0.5, "latency": 0.0042,
            "cpu": 0.25, "memory": 1 << 20, "data": 0, "instances": 2, "curve": [0, 1, 2], "errors_curve": [0, 0, 0],
        }  # fmt: skip
        return {"items": [look], "next": "acme/shop"}

    house.asked = asked
    house.handled = [
        await house.api.ctx.bus.handle(asking.READ, read),
        await house.api.ctx.bus.handle(asking.GLANCE, glance),
    ]
    return house


async def test_an_operator_sees_the_host_and_everybodys_apps(counted: Any) -> None:
    browser = await counted.visitor("opal", ("", "operator"))
    page = await browser.get("/")
    assert page.status_code == 200
    assert unclean(page.text) == []
    assert {ask["target"] for ask in counted.asked if "target" in ask} == {"-"}
    assert 'data-series="net.in,net.out"' in page.text
    assert 'data-total="memory.total"' in page.text
    assert 'href="/tenants/acme/apps/shop"' in page.text
    assert "12.5/s" in page.text
    assert "4.2 ms" in page.text
    assert 'rel="next"' in page.text


async def test_plots_are_drawn_before_any_script_runs_with_gaps_where_nobody_looked(counted: Any) -> None:
    browser = await counted.visitor("opal", ("", "operator"))
    page = await browser.get("/?span=day")
    assert 'data-seconds="86400"' in page.text
    assert page.text.count("<polyline") >= 12, "each curve has two stretches"
    assert "<dd>3/s</dd>" in page.text
    assert all(ask["step"] == 1800 for ask in counted.asked if "target" in ask)
    assert len([ask for ask in counted.asked if "target" in ask]) == 1, "all plots are asked for at once"


async def test_a_member_sees_their_tenant_alone(counted: Any) -> None:
    browser = await counted.visitor("vic", ("demo", "viewer"), ("acme", "viewer"))
    page = await browser.get("/?of=acme")
    assert {ask["target"] for ask in counted.asked if "target" in ask} == {"acme"}
    assert {ask["tenant"] for ask in counted.asked if "tenant" in ask} == {"acme"}
    assert ">demo</a>" in page.text
    counted.asked.clear()
    for foreign in ("other", "-", HOSTILE, "acme/shop"):
        page = await browser.get(f"/?of={foreign}")
        assert page.status_code == 200
        assert HOSTILE not in page.text
    assert {ask["target"] for ask in counted.asked if "target" in ask} == {"acme"}


async def test_who_was_given_one_app_sees_its_numbers(counted: Any) -> None:
    browser = await counted.visitor("dev", ("demo:shop", "developer"))
    page = await browser.get("/")
    assert page.status_code == 200
    assert {ask["target"] for ask in counted.asked if "target" in ask} == {"demo/shop"}
    assert [ask for ask in counted.asked if "order" in ask] == []


async def test_while_the_numbers_are_away_the_page_stands(house: Any) -> None:
    browser = await house.visitor("vic", ("demo", "viewer"))
    page = await browser.get("/")
    assert page.status_code == 200
    assert "No apps yet" in page.text
    assert 'data-of="demo"' in page.text
    assert "does not answer" not in page.text, "it is only the numbers"
    await house.store.put("user:root", "test", "demo", "shop", App(host="test"))
    assert "No app ran or was visited" in (await browser.get("/")).text


async def test_who_may_nothing_is_told_what_to_do(house: Any) -> None:
    browser = await house.visitor("bill", ("demo", "billing"))
    assert "Nothing here is yours to see yet" in (await browser.get("/")).text


async def test_the_list_renews_itself_without_the_plots(counted: Any) -> None:
    browser = await counted.visitor("opal", ("", "operator"))
    part = await browser.get("/?part=apps", hx_request="true")
    assert part.text.lstrip().startswith("<section")
    assert [ask for ask in counted.asked if "target" in ask] == []


@pytest.mark.parametrize("span", ["week", "year", HOSTILE, ""])
async def test_a_span_that_there_is_not_is_the_hour(counted: Any, span: str) -> None:
    browser = await counted.visitor("opal", ("", "operator"))
    page = await browser.get(f"/?span={span}")
    assert f'data-seconds="{604800 if span == "week" else 3600}"' in page.text


async def test_what_needs_attention_is_shown_with_what_to_do_and_where(counted: Any) -> None:
    ill = Instance(app="shop", release=3, host="test", state="failed", reason=f"It said {HOSTILE}")
    await counted.store.put("test", "test", "demo", "shop.3.web.0", ill)
    browser = await counted.visitor("vic", ("demo", "viewer"))
    page = await browser.get("/")
    assert "What needs attention" in page.text
    assert 'href="/tenants/demo/apps/shop"' in page.text
    assert 'href="/tenants/demo/apps/shop/logs?name=shop.3.web"' in page.text
    assert "serai app logs" not in page.text, "the page itself leads there"
    assert HOSTILE not in page.text
    assert unclean(page.text) == []
    other = await (await counted.visitor("eve", ("other", "owner"))).get("/")
    assert "Nothing needs attention" in other.text
    part = await browser.get("/?part=attention", hx_request="true")
    assert "not working" in part.text


async def test_calm_where_all_is_well(house: Any) -> None:
    browser = await house.visitor("vic", ("demo", "viewer"))
    assert "Nothing needs attention" in (await browser.get("/")).text


@pytest.mark.parametrize("about", [*WAYS, "something new"])
def test_every_fact_leads_somewhere_or_says_so(about: str) -> None:
    fact = Fact(
        weight="bad", about=about, action="x.read", tenant="demo", app=HOSTILE, name=HOSTILE, text="It broke.",
        advice="",
    )  # fmt: skip
    way = matter(fact)
    assert local(way.path, "") == way.path
    assert bool(way.path) == (about in WAYS)
