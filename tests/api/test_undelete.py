"""What was deleted comes back as it was, for who might write it anew; what proves who somebody is does not."""

from __future__ import annotations

from typing import Any

import pytest

from serai.cloud.descriptors import Route
from serai.errors import AlreadyExistsError, InvalidError, NotFoundError
from serai.identity.people import CustomRole, Member
from serai.services.apps.descriptors import App, Domain

HERE = "https://console.localhost"


async def delete(api: Any, kind: str, tenant: str, name: str) -> None:
    await api.call("DELETE", f"/v1/{kind}/{tenant}/{name}", query={"confirm": name})


async def undelete(api: Any, kind: str, tenant: str, name: str, **more: Any) -> Any:
    body = {"kind": kind, "name": name, **more}
    return await api.call("POST", "/v1/undelete", body, query={"tenant": tenant})


@pytest.fixture
async def demo(api: Any) -> Any:
    await api.call("POST", "/v1/tenants", {"name": "demo"})
    await api.call("PUT", "/v1/apps/demo/shop", {})
    await api.call("PUT", "/v1/apps/demo/shop/domains/www.example.org", {})
    await api.call("PATCH", "/v1/apps/demo/shop/env", {"values": {"WORD": "kept"}})
    return api


KINDS = {
    ("domain", "demo", "www.example.org"): None,
    ("variables", "demo", "shop"): None,
    ("schedule", "-", "nightly"): {"when": "0 3 * * *", "function": "store.sweep"},
    ("user", "-", "bob"): {"email": "bob@example.test"},
    ("role", "demo", "reader"): {"actions": ["app.read"]},
    ("member", "demo", "ada"): {"role": "viewer"},
}


@pytest.mark.parametrize("key", KINDS, ids=lambda key: key[0])
async def test_every_kind_that_people_write_comes_back_as_it_was(demo: Any, key: tuple[str, str, str]) -> None:
    await demo.person("ada")
    kind, tenant, name = key
    path = f"/v1/{kind}/{tenant}/{name}"
    if KINDS[key] is not None:
        await demo.call("PUT", path, KINDS[key])
    before = (await demo.call("GET", path))["spec"]
    with pytest.raises(AlreadyExistsError):
        await undelete(demo, *key)
    await delete(demo, *key)
    told = await undelete(demo, *key, dry_run=True)
    assert [one["do"] for one in told["steps"]] == ["create"]
    with pytest.raises(NotFoundError):
        await demo.call("GET", path)
    await undelete(demo, *key)
    assert (await demo.call("GET", path))["spec"] == before
    past = (await demo.call("GET", f"{path}/history"))["items"]
    assert [one["deleted"] for one in past][:2] == [False, True]
    assert past[0]["why"] == f"undelete {name}"
    await delete(demo, *key)
    await demo.call("POST", f"{path}/restore", query={"version": 1})
    assert (await demo.call("GET", path))["spec"] == before, "the other way to the same"
    assert (await demo.call("GET", f"{path}/diff", query={"old": 1, "new": past[0]["version"]}))["fields"] == {}


async def test_a_domain_comes_and_goes_with_its_address(demo: Any) -> None:
    await delete(demo, "domain", "demo", "www.example.org")
    with pytest.raises(NotFoundError):
        await demo.store.get(Route, "", "www.example.org/")
    await undelete(demo, "domain", "demo", "www.example.org")
    assert (await demo.store.get(Route, "", "www.example.org/")).spec.app == "shop"


async def test_what_is_written_or_restored_as_a_descriptor_is_followed_by_what_follows_it(demo: Any) -> None:
    path = "/v1/domain/demo/shop.example.org"
    await demo.call("PUT", path, {"app": "shop"})
    assert (await demo.store.get(Route, "", "shop.example.org/")).spec.app == "shop"
    await demo.call("PUT", "/v1/apps/demo/blog", {})
    await demo.call("PATCH", path, {"app": "blog"})
    assert (await demo.store.get(Route, "", "shop.example.org/")).spec.app == "blog"
    await demo.call("POST", f"{path}/restore", query={"version": 1})
    assert (await demo.store.get(Route, "", "shop.example.org/")).spec.app == "shop"
    await delete(demo, "domain", "demo", "shop.example.org")
    await demo.call("POST", f"{path}/restore", query={"version": 2})
    assert (await demo.store.get(Route, "", "shop.example.org/")).spec.app == "blog"
    for body in ({"app": "absent"}, {"app": "shop", "environment": "A"}):
        with pytest.raises(InvalidError):
            await demo.call("PUT", path, body)


async def test_a_domain_that_another_tenant_took_meanwhile_is_a_clear_conflict(demo: Any) -> None:
    await delete(demo, "domain", "demo", "www.example.org")
    await demo.call("POST", "/v1/tenants", {"name": "other"})
    await demo.call("PUT", "/v1/apps/other/blog", {})
    await demo.call("PUT", "/v1/apps/other/blog/domains/www.example.org", {})
    with pytest.raises(AlreadyExistsError, match="leads somewhere already"):
        await undelete(demo, "domain", "demo", "www.example.org")
    assert await demo.store.find(Domain, "demo") == []


@pytest.mark.parametrize("kind", ["token", "session", "invitation", "credentials", "reset", "nothing"])
async def test_what_proves_who_somebody_is_never_comes_back(demo: Any, kind: str) -> None:
    with pytest.raises(NotFoundError, match="no such kind"):
        await undelete(demo, kind, "demo", "x")


@pytest.mark.parametrize("kind", ["gittoken", "app", "tenant", "release", "instance", "route", "trash", "need"])
async def test_what_is_more_than_its_descriptor_does_not_come_back_by_that_alone(demo: Any, kind: str) -> None:
    with pytest.raises(InvalidError, match="does not come back"):
        await undelete(demo, kind, "demo", "x")


async def test_bringing_back_takes_what_writing_takes(demo: Any) -> None:
    await demo.person("dev", ("demo", "developer"))
    await demo.person("view", ("demo", "viewer"))
    await demo.person("far", ("other", "owner"))
    await delete(demo, "member", "demo", "view")
    await delete(demo, "domain", "demo", "www.example.org")
    body = {"kind": "member", "name": "view"}
    for login, told, status in (
        ("dev", body, 403), ("far", body, 404), ("far", {"kind": "domain", "name": "www.example.org"}, 404),
        ("dev", {"kind": "domain", "name": "www.example.org"}, 200),
    ):  # fmt: skip
        cookie = await demo.signed_in(login)
        answer = await demo.front("POST", "/v1/undelete?tenant=demo", told, cookie=cookie, origin=HERE)
        assert answer.status_code == status, (login, answer.text)
    assert [one.name for one in await demo.store.find(Member, "demo")] == ["dev"]


async def test_an_app_deleted_as_a_descriptor_goes_with_all_its_own_and_comes_back(demo: Any) -> None:
    await delete(demo, "app", "demo", "shop")
    assert await demo.store.find(Domain, "demo") == []
    with pytest.raises(NotFoundError):
        await demo.store.get(Route, "", "www.example.org/")
    await demo.call("POST", "/v1/apps/demo/shop/undelete", {})
    assert [one.name for one in await demo.store.find(App, "demo")] == ["shop"]
    assert [one.name for one in await demo.store.find(Domain, "demo")] == ["www.example.org"]


async def test_the_end_of_a_tenants_role_gives_nobody_the_platforms_of_that_name(demo: Any) -> None:
    await demo.call("PUT", "/v1/role/demo/helper", {"actions": ["app.read"]})
    await demo.call("PUT", "/v1/role/-/helper", {"actions": ["*.*"]})
    await demo.person("eve", ("demo", "owner"))
    await demo.person("bob", ("demo", "helper"))
    cookie = await demo.signed_in("eve")
    for method, path, body in (
        ("DELETE", "/v1/role/demo/helper?confirm=helper", None),
        ("POST", "/v1/apply?tenant=demo", {"items": [], "prune": True, "confirm": "demo"}),
    ):
        answer = await demo.front(method, path, body, cookie=cookie, origin=HERE)
        assert answer.status_code == 403, answer.text
    assert [one.spec.actions for one in await demo.store.find(CustomRole, "demo")] == [("app.read",)]
    await delete(demo, "role", "demo", "helper")
