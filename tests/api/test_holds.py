"""Limits, pauses and outages go out as text and come back, each only where its own route would let somebody."""

from __future__ import annotations

from typing import Any

import pytest

from serai.errors import ConflictError, DeniedError, InvalidError
from serai.identity import Grant, Principal
from serai.tasks import Tasks

TENANT = {"kind": "tenant", "name": "demo", "spec": {}}
WIDE = {"kind": "limit", "name": "channel:demo/shop/mail", "spec": {"most": 5, "why": "it may"}}
OFTEN = {"kind": "limit", "name": "provider:demo/shop/stripe", "spec": {"rate": 100, "per": 60}}
ALL_OF_IT = {"kind": "limit", "name": "tenant:demo", "spec": {"most": 20}}
PAUSE = {"kind": "pause", "name": "demo/shop/film", "spec": {"why": "the disk moves"}}
OUTAGE = {"kind": "outage", "name": "demo/shop/stripe", "spec": {}}
HOLDS = [WIDE, OFTEN, ALL_OF_IT, OUTAGE, PAUSE]
ALL = [TENANT, *HOLDS]


async def apply(api: Any, items: list[Any], tenant: str = "demo", **more: Any) -> Any:
    return await api.call("POST", "/v1/apply", {"items": items, **more}, query={"tenant": tenant})


async def export(api: Any, tenant: str = "demo") -> list[Any]:
    return list((await api.call("GET", "/v1/export", query={"tenant": tenant}))["items"])


def keys(told: Any) -> list[str]:
    return [f"{one['do']} {one['kind']}/{one['name']}" for one in told["steps"]]


@pytest.fixture
async def demo(api: Any) -> Any:
    await apply(api, ALL)
    return api


async def test_text_sets_what_the_routes_set(demo: Any) -> None:
    tasks = Tasks(demo.store)
    limits = {(one.scope, one.name): one for one in await tasks.limits()}
    assert limits["channel", "demo/shop/mail"].rule.most == 5
    assert limits["channel", "demo/shop/mail"].why == "it may"
    assert limits["channel", "demo/shop/mail"].who.startswith("user:")
    assert limits["provider", "demo/shop/stripe"].rule.rate == 100
    assert limits["tenant", "demo"].rule.most == 20
    assert [(one.channel, one.why) for one in await tasks.pauses()] == [("demo/shop/film", "the disk moves")]
    assert [(one.name, one.state, one.declared) for one in await tasks.providers()] == [
        ("demo/shop/stripe", "down", True)
    ]


async def test_what_is_exported_applies_as_no_change(demo: Any) -> None:
    items = await export(demo)
    assert {(one["kind"], one["name"]) for one in items} == {(one["kind"], one["name"]) for one in ALL}
    assert (await apply(demo, items, prune=True))["steps"] == []
    assert (await apply(demo, ALL, prune=True))["steps"] == [], "as it was written by hand, neither"
    assert not any("tenant" in str(one["name"]) for one in await export(demo, "-"))


async def test_what_was_set_by_the_routes_and_what_is_the_platforms_is_exported(api: Any) -> None:
    await api.call("PUT", "/v1/limits/channel/platform", {"rate": 5}, query={"why": "slowly"})
    await api.call("POST", "/v1/channels/backups/pause")
    found = [one for one in await export(api, "-") if one["kind"] in {"limit", "pause"}]
    assert found == [
        {"kind": "limit", "name": "channel:platform",
         "spec": {"rate": 5.0, "per": 60.0, "burst": 1.0, "why": "slowly"}},
        {"kind": "pause", "name": "backups", "spec": {}},
    ]  # fmt: skip
    assert (await apply(api, found, "-"))["steps"] == []


async def test_a_dry_run_shows_the_difference_and_sets_nothing(demo: Any) -> None:
    told = await apply(demo, [TENANT, {**WIDE, "spec": {"most": 6}}], prune=True, dry_run=True)
    assert keys(told) == [
        "change limit/channel:demo/shop/mail",
        "delete limit/provider:demo/shop/stripe",
        "delete limit/tenant:demo",
        "delete outage/demo/shop/stripe",
        "delete pause/demo/shop/film",
    ]
    assert told["steps"][0]["fields"] == {"most": [5, 6], "why": ["it may", None]}
    assert (await apply(demo, ALL))["steps"] == []


async def test_pruning_ends_them_once_it_is_confirmed(demo: Any) -> None:
    with pytest.raises(InvalidError, match="confirm"):
        await apply(demo, [TENANT], prune=True)
    await apply(demo, [TENANT], prune=True, confirm="demo")
    tasks = Tasks(demo.store)
    assert (await tasks.limits(), await tasks.pauses()) == ([], [])
    assert [one.state for one in await tasks.providers()] == ["resuming"]
    assert [one["kind"] for one in await export(demo)] == ["tenant"]


async def test_what_has_changed_since_the_dry_run_is_a_conflict_and_nothing_is_written(demo: Any) -> None:
    items = [{**TENANT, "spec": {"title": "New"}}, {**WIDE, "spec": {"most": 6}}]
    told = await apply(demo, items, dry_run=True)
    expect = {f"{one['kind']}/{one['name']}": one["version"] for one in told["steps"]}
    await demo.call("PUT", "/v1/limits/channel/demo%2Fshop%2Fmail", {"most": 9})
    with pytest.raises(ConflictError, match="limit/channel"):
        await apply(demo, items, expect=expect)
    assert (await demo.call("GET", "/v1/tenant/demo/demo"))["spec"].get("title", "") == ""
    told = await apply(demo, items, dry_run=True)
    await apply(demo, items, expect={f"{one['kind']}/{one['name']}": one["version"] for one in told["steps"]})
    assert (await apply(demo, items))["steps"] == []


@pytest.mark.parametrize(
    ("kind", "name", "spec"),
    [
        ("limit", "demo/shop/mail", {"most": 1}),
        ("limit", "host:x", {"most": 1}),
        ("limit", "channel:other/shop/mail", {"most": 1}),
        ("limit", "channel:mail", {"most": 1}),
        ("limit", "tenant:other", {"most": 1}),
        ("limit", "channel:demo/shop/mail", {}),
        ("limit", "channel:demo/shop/mail", {"most": 0}),
        ("limit", "channel:demo/shop/mail", {"most": "5"}),
        ("limit", "channel:demo/shop/mail", {"most": 20_000}),
        ("limit", "channel:demo/shop/mail", {"rate": 0}),
        ("limit", "channel:demo/shop/mail", {"rate": 1, "per": 0}),
        ("limit", "channel:demo/shop/mail", {"most": 1, "running": 4}),
        ("pause", "", {}),
        ("pause", "mail", {}),
        ("pause", "demo/shop/mail", {"why": 4}),
        ("pause", "demo/shop/mail", {"who": "user:eve"}),
        ("outage", "other/shop/stripe", {}),
        ("outage", "demo/shop/stripe", {"state": "up"}),
    ],
)  # fmt: skip
async def test_what_means_nothing_is_refused_with_its_place(
    demo: Any, kind: str, name: str, spec: dict[str, Any]
) -> None:
    before = await export(demo)
    items = [{"kind": "pause", "name": "demo/shop/another", "spec": {}}, {"kind": kind, "name": name, "spec": spec}]
    with pytest.raises(InvalidError) as caught:
        await apply(demo, items)
    assert f"{kind}/{name}"[:60] in str(caught.value.fields.get("path", ""))
    assert await export(demo) == before


async def test_one_that_is_there_twice_is_refused(demo: Any) -> None:
    with pytest.raises(InvalidError, match="twice"):
        await apply(demo, [PAUSE, PAUSE])


async def test_each_needs_what_its_own_route_needs(demo: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def act(*actions: str) -> None:
        grants = (Grant("custom", "demo", "", ("apply.write", "export.read", *actions)),)
        principal = Principal(kind="user", name="ada", grants=grants)
        monkeypatch.setattr("serai.api.entrance.local_principal", lambda _peer, _owner: principal)

    act("*.read", "channel.pause", "provider.write", "limit.write", "limit.delete")
    assert (await apply(demo, HOLDS))["steps"] == []
    await apply(demo, [{**PAUSE, "name": "demo/shop/own"}, {**OUTAGE, "name": "demo/shop/own"}])
    for item in ({**WIDE, "spec": {"most": 6}}, {**ALL_OF_IT, "spec": {"most": 99}}):
        with pytest.raises(DeniedError, match="limit"):
            await apply(demo, [item])
    with pytest.raises(DeniedError, match="limit"):
        await apply(demo, [PAUSE], prune=True, confirm="demo")
    act("channel.read", "provider.read")
    for item in ({**PAUSE, "spec": {}}, {**OUTAGE, "name": "demo/shop/other"}, WIDE):
        with pytest.raises(DeniedError):
            await apply(demo, [item])
    assert {one["kind"] for one in await export(demo)} == {"pause", "outage"}
