"""Text becomes descriptors, in one transaction or not at all, and only where each of them might be written alone."""

from __future__ import annotations

from typing import Any

import pytest

from serai.api.followed import combined
from serai.cloud.descriptors import Route
from serai.errors import ConflictError, DeniedError, InvalidError, NotFoundError, SeraiError
from serai.identity import Grant, Principal
from serai.identity.people import User
from serai.services.apps.descriptors import App, Domain
from serai.services.apps.variables import Variables
from serai.store import Delete, Put
from serai.tasks.schedule import Schedule

SHOP = {"kind": "app", "name": "shop", "spec": {"scale": {"web": 2}}}
HOST = {"kind": "domain", "name": "shop.example.org", "spec": {"app": "shop"}}
ENV = {"kind": "variables", "name": "shop", "spec": {"values": {"KEY": "s3cret", "A": "a"}, "shown": ["A"]}}
NIGHTLY = {
    "kind": "schedule", "name": "shop.task.nightly",
    "spec": {"when": "0 3 * * *", "function": "shop:clean", "app": "shop", "arguments": {"call": "shop:clean"}},
}  # fmt: skip
ROLE = {"kind": "role", "name": "deployer", "spec": {"actions": ["app.deploy"]}}
MEMBER = {"kind": "member", "name": "ada", "spec": {"role": "deployer"}}
TENANT = {"kind": "tenant", "name": "demo", "spec": {"title": "Demo", "memory_mb": 1024}}
ALL = [TENANT, SHOP, HOST, ENV, NIGHTLY, ROLE, MEMBER]


async def apply(api: Any, items: list[Any], tenant: str = "demo", **more: Any) -> Any:
    return await api.call("POST", "/v1/apply", {"items": items, **more}, query={"tenant": tenant})


async def export(api: Any, tenant: str = "demo") -> list[Any]:
    return list((await api.call("GET", "/v1/export", query={"tenant": tenant}))["items"])


def steps(told: Any) -> list[tuple[str, str]]:
    return [(one["do"], f"{one['kind']}/{one['name']}") for one in told["steps"]]


@pytest.fixture
async def demo(api: Any) -> Any:
    await api.store.put("user:x", "test", "", "ada", User(email="ada@example.org"))
    await apply(api, ALL)
    return api


async def test_a_whole_tenant_comes_to_be_with_what_follows_from_it(demo: Any) -> None:
    app = (await demo.store.get(App, "demo", "shop")).spec
    assert (app.host, app.scale) == ("test", {"web": 2})
    assert (await demo.store.get(Route, "", "shop.example.org/")).spec.tenant == "demo"
    assert (await demo.store.get(Schedule, "demo", "shop.task.nightly")).spec.queue == "work:test"
    env = (await demo.store.get(Variables, "demo", "shop")).spec
    assert env.opened(demo.desk.keyring, "demo", "shop") == {"KEY": "s3cret", "A": "a"}
    assert (await demo.call("GET", "/v1/tenant/demo/demo"))["spec"]["uid"] == 1


async def test_what_is_so_already_is_no_change(demo: Any) -> None:
    before = await demo.store.last_change()
    told = await apply(demo, ALL)
    assert told["steps"] == []
    assert await demo.store.last_change() == before


async def test_what_is_exported_applies_as_no_change_and_holds_nothing_volatile(demo: Any) -> None:
    items = await export(demo)
    assert {(one["kind"], one["name"]) for one in items} == {(one["kind"], one["name"]) for one in ALL}
    assert (await apply(demo, items, prune=True))["steps"] == []
    for field in ("uid", "host", "live", "queue", "version", "s3cret"):
        assert f"{field}" not in str(items).replace("example.org", "")
    assert items == await export(demo)


async def test_a_dry_run_tells_all_and_writes_nothing(demo: Any) -> None:
    before = await demo.store.last_change()
    other = {**SHOP, "spec": {"scale": {"web": 3}}}
    told = await apply(demo, [TENANT, other], prune=True, dry_run=True)
    assert ("change", "app/shop") in steps(told)
    assert ("delete", "domain/shop.example.org") in steps(told)
    change = next(one for one in told["steps"] if one["kind"] == "app")
    assert change["fields"] == {"scale": [{"web": 2}, {"web": 3}]}
    assert await demo.store.last_change() == before


async def test_a_diff_shows_no_secret(demo: Any) -> None:
    told = await apply(demo, [{**ENV, "spec": {"values": {"KEY": "n3wer"}}}], dry_run=True)
    assert "s3cret" not in str(told)
    assert "n3wer" not in str(told)


async def test_what_has_changed_since_the_dry_run_is_a_conflict(demo: Any) -> None:
    other = {**SHOP, "spec": {"scale": {"web": 3}}}
    told = await apply(demo, [other], dry_run=True)
    expect = {f"{one['kind']}/{one['name']}": one["version"] for one in told["steps"]}
    await demo.call("PATCH", "/v1/app/demo/shop", {"scale": {"web": 9}})
    with pytest.raises(ConflictError, match="app/shop"):
        await apply(demo, [other], expect=expect)
    assert (await demo.store.get(App, "demo", "shop")).spec.scale == {"web": 9}


async def test_pruning_deletes_what_is_not_named_once_it_is_confirmed_and_never_the_tenant(demo: Any) -> None:
    with pytest.raises(InvalidError, match="confirm"):
        await apply(demo, [SHOP], prune=True)
    await apply(demo, [SHOP], prune=True, confirm="demo")
    assert [(one["kind"], one["name"]) for one in await export(demo)] == [("app", "shop"), ("tenant", "demo")]
    with pytest.raises(NotFoundError):
        await demo.store.get(Route, "", "shop.example.org/")


async def test_an_app_that_is_pruned_goes_with_what_is_its_own(demo: Any) -> None:
    told = await apply(demo, [TENANT], prune=True, confirm="demo")
    assert told["tasks"]
    assert [one["kind"] for one in await export(demo)] == ["tenant"]


async def test_a_domain_moves_to_another_app_in_one_step(demo: Any) -> None:
    blog = {"kind": "app", "name": "blog", "spec": {}}
    for app, items in (("blog", [blog]), ("shop", []), ("blog", [blog])):
        await apply(demo, [*items, {**HOST, "spec": {"app": app}}])
        assert (await demo.store.get(Domain, "demo", "shop.example.org")).spec.app == app
        assert (await demo.store.get(Route, "", "shop.example.org/")).spec.app == app
    rest = [one for one in ALL if one["kind"] in {"tenant", "role", "member"}]
    await apply(demo, [*rest, SHOP, HOST], prune=True, confirm="demo")
    assert (await demo.store.get(Route, "", "shop.example.org/")).spec.app == "shop", "also where the other app goes"


@pytest.mark.parametrize(
    ("item", "where"),
    [
        ({"kind": "nothing", "name": "x", "spec": {}}, "nothing/x"),
        ({"kind": "instance", "name": "shop.1.web.0", "spec": {}}, "instance"),
        ({"kind": "route", "name": "a.org/", "spec": {}}, "route"),
        ({"kind": "app", "name": "UPPER", "spec": {}}, "app/UPPER"),
        ({"kind": "app", "name": "shop", "spec": {"live": {"prod": 9}}}, "live"),
        ({"kind": "app", "name": "shop", "spec": {"scale": {"web": "2"}}}, "app/shop: scale"),
        ({"kind": "app", "name": "shop", "spec": {"nothing": 1}}, "app/shop: nothing"),
        ({"kind": "app", "name": "shop", "spec": {"scale": {"a b": 1}}}, "app/shop"),
        ({"kind": "domain", "name": "a.example.org", "spec": {"app": "nothing"}}, "domain/a.example.org"),
        ({"kind": "variables", "name": "nothing", "spec": {"values": {"A": "a"}}}, "variables/nothing"),
        ({"kind": "variables", "name": "shop", "spec": {"values": {"A B": "a"}}}, "variables/shop"),
        ({"kind": "variables", "name": "shop", "spec": {"values": {"A": "sealed:k1:AAAA"}}}, "variables/shop"),
        ({"kind": "tenant", "name": "other", "spec": {}}, "tenant/other"),
        ({"kind": "tenant", "name": "demo", "spec": {"uid": 0}}, "uid"),
        ({"kind": "user", "name": "eve", "spec": {}}, "user/eve"),
        ({"kind": "member", "name": "nobody-there", "spec": {"role": "owner"}}, ""),
        ({"kind": "schedule", "name": "shop.recurring.x", "spec": {"when": "every 5m", "function": "a:b"}}, "schedule"),
        ({**NIGHTLY, "spec": {**NIGHTLY["spec"], "function": "apps.remove"}}, "schedule/shop.task.nightly"),
        ({**NIGHTLY, "spec": {**NIGHTLY["spec"], "arguments": {"tenant": "other"}}}, "schedule/shop.task.nightly"),
        ({**NIGHTLY, "spec": {**NIGHTLY["spec"], "channel": "app:demo/shop"}}, "schedule/shop.task.nightly"),
        ({**NIGHTLY, "spec": {**NIGHTLY["spec"], "provider": "other/shop/bank"}}, "schedule/shop.task.nightly"),
        ({**NIGHTLY, "name": "other.task.x"}, "schedule/other.task.x"),
    ],
)  # fmt: skip
async def test_what_can_not_be_is_refused_with_its_place_and_nothing_is_written(
    demo: Any, item: dict[str, Any], where: str
) -> None:
    before = await demo.store.last_change()
    good = {"kind": "app", "name": "another", "spec": {}}
    with pytest.raises(InvalidError) as caught:
        await apply(demo, [good, item])
    assert where in str(caught.value.fields.get("path", ""))
    assert await demo.store.last_change() == before


async def test_names_of_the_platform_and_of_neighbours_are_refused(demo: Any) -> None:
    await apply(demo, [{"kind": "tenant", "name": "other", "spec": {}}], "other")
    for host in ("api.localhost", "other.localhost"):
        with pytest.raises(DeniedError):
            await apply(demo, [{"kind": "domain", "name": host, "spec": {"app": "shop"}}])
    theirs = [{"kind": "app", "name": "shop", "spec": {}}, HOST]
    with pytest.raises(SeraiError, match=r"shop.example.org|changing"):
        await apply(demo, theirs, "other")


async def test_a_tenant_that_is_not_there_gets_nothing(api: Any) -> None:
    with pytest.raises(NotFoundError):
        await apply(api, [SHOP], "nobody")


async def test_each_descriptor_needs_what_it_would_need_alone(demo: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def act(*actions: str, tenant: str = "demo") -> None:
        grants = (Grant("custom", tenant, "", ("apply.write", *actions)),)
        principal = Principal(kind="user", name="ada", grants=grants)
        monkeypatch.setattr("serai.api.entrance.local_principal", lambda _peer, _owner: principal)

    blog = {"kind": "app", "name": "blog", "spec": {}}
    before = await demo.store.last_change()
    for actions in ((), ("app.deploy", "app.scale"), ("app.read", "app.deploy"), ("app.read", "app.write")):
        act(*actions)
        with pytest.raises(DeniedError):
            await apply(demo, [blog])
    act("*.read", "app.deploy", "app.scale")
    for item in (ENV, {**HOST, "name": "b.example.org"}, {**TENANT, "spec": {"memory_mb": 1 << 20}}):
        with pytest.raises(DeniedError):
            await apply(demo, [blog, item])
    act("*.read", "member.write", "role.write")
    with pytest.raises(DeniedError, match="give"):
        await apply(demo, [{"kind": "member", "name": "ada", "spec": {"role": "owner"}}])
    greedy = {"kind": "role", "name": "all", "spec": {"actions": ["*.*"]}}
    with pytest.raises(DeniedError, match="give"):
        await apply(demo, [greedy, {"kind": "member", "name": "ada", "spec": {"role": "all"}}])
    with pytest.raises(DeniedError):
        await apply(demo, [TENANT], prune=True, confirm="demo")
    act("*.*", tenant="other")
    with pytest.raises(NotFoundError):
        await apply(demo, [blog])
    assert await demo.store.last_change() == before


def test_of_two_writes_of_one_descriptor_the_later_says_what_and_the_earlier_on_what_it_is_based() -> None:
    new, old = App(scale={"web": 2}), App()
    assert combined([Delete("app", "a", "b", 3), Put("a", "b", new, 0)]) == [Put("a", "b", new, 3)]
    assert combined([Put("a", "b", old, 3), Put("a", "b", new, 9)]) == [Put("a", "b", new, 3)]
    assert combined([Delete("app", "a", "b", 3), Delete("app", "a", "b")]) == [Delete("app", "a", "b", 3)]
    assert combined([Put("a", "b", old, 3), Delete("app", "a", "b")]) == [Delete("app", "a", "b", 3)]


@pytest.mark.parametrize(
    "body",
    [
        b"", b"[]", b"{}", b'{"items": {}}', b'{"items": [1]}', b'{"items": [{"kind": 1, "name": "x", "spec": {}}]}',
        b'{"items": [{"kind": "app", "name": "a\\u0000", "spec": {}}]}',
        b'{"items": [{"kind": "app", "name": "../x", "spec": {}}]}',
        b'{"items": [{"kind": "app", "name": "x", "spec": {"scale": {"web": 1e400}}}]}',
        b'{"items": [{"kind": "tenant", "name": "demo", "spec": {"title": "\\ud800"}}]}',
        b'{"items": [{"kind": "tenant", "name": "demo", "spec": {"memory_mb": 99999999999999999999999}}]}',
        b'{"items": [{"kind": "app", "name": "x", "spec": ' + b'{"a":' * 5000 + b"1" + b"}" * 5000 + b"}]}",
        b'{"items": [' + b",".join([b'{"kind": "app", "name": "x", "spec": {}}'] * 2001) + b"]}",
        b'{"items": [], "prune": "yes"}', b'{"items": [], "nothing": 1}', b'{"items": [], "expect": {"a": "b"}}',
        b'{"items": [{"kind": "tenant", "name": "demo", "spec": {"title": "' + b"x" * 300_000 + b'"}}]}',
    ],
)  # fmt: skip
async def test_hostile_bodies_are_refused_clearly_and_leave_nothing_behind(demo: Any, body: bytes) -> None:
    before = await demo.store.last_change()
    head = "POST /v1/apply?tenant=demo HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n"
    answer = await demo.raw(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
    assert answer.split(b" ", 2)[1] in {b"400", b"413", b"429"}, answer[:500]
    assert b'"code"' in answer
    assert await demo.store.last_change() == before
