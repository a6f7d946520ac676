"""What needs attention: told to those who may know of it, with what to do about it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from serving import Api, serving

from serai.api.attention_facts import room
from serai.cloud.descriptors import Host, Instance
from serai.errors import UnavailableError
from serai.identity.people import Invitation, Token
from serai.identity.principals import Scope
from serai.services.apps.descriptors import App, Need, Release
from serai.store.contract import NewTask
from serai.tasks import Tasks

DAY = 86400.0


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with serving(tmp_path) as running:
        for name in ("demo", "other"):
            await running.call("POST", "/v1/tenants", {"name": name})
        yield running


async def facts(api: Api, tenant: str | None = None, login: str = "") -> list[dict[str, Any]]:
    path = "/v1/attention" + (f"?tenant={tenant}" if tenant is not None else "")
    if not login:
        return list((await api.call("GET", path))["items"])
    answer = await api.front("GET", path, cookie=await api.signed_in(login))
    assert answer.status_code == 200, answer.text
    return list(answer.json()["items"])


async def refused(api: Api, tenant: str, **task: Any) -> str:
    """Put a task into the store that ended in error at once."""
    new = NewTask(function=task.pop("function", "mod:work"), tenant=tenant, **task)
    rows = api.store.driver.tasks
    return str(
        await api.store.driver.write(lambda tx: rows.refuse(tx, new, who="test", why="it broke", now=time.time()))
    )


def about(found: list[dict[str, Any]], what: str) -> list[dict[str, Any]]:
    return [one for one in found if one["about"] == what]


async def test_of_a_tenant_that_is_well_nothing_is_told(api: Api) -> None:
    assert await facts(api, "demo") == []


async def test_instances_that_are_not_well_are_told_once_for_all_of_a_kind(api: Api) -> None:
    one = Instance(app="shop", release=3, host="test", state="failed", reason="It ended with 1.")
    for number in range(3):
        await api.store.put("test", "test", "demo", f"shop.3.web.{number}", one)
    await api.store.put(
        "test", "test", "demo", "blog.1.web.0", Instance(app="blog", release=1, host="test", state="ready")
    )
    again = Instance(app="loop", release=1, host="test", state="starting", restarts=9)
    await api.store.put("test", "test", "demo", "loop.1.web.0", again)
    found = about(await facts(api, "demo"), "instance")
    assert {(fact["app"], fact["count"]) for fact in found} == {("shop", 3), ("loop", 1)}
    assert "It ended with 1." in next(fact for fact in found if fact["app"] == "shop")["text"]


async def test_an_instance_that_is_well_again_is_told_no_more(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serai.api.attention.MOMENT", -1.0)
    ill = Instance(app="shop", release=3, host="test", state="unhealthy")
    await api.store.put("test", "test", "demo", "shop.3.web.0", ill)
    assert about(await facts(api, "demo"), "instance")
    await api.store.put(
        "test", "test", "demo", "shop.3.web.0", Instance(app="shop", release=3, host="test", state="ready")
    )
    assert about(await facts(api, "demo"), "instance") == []


async def test_the_newest_release_that_failed_is_told_until_another_one_works(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serai.api.attention.MOMENT", -1.0)
    await api.store.put("test", "test", "demo", "shop", App(host="test", next_release=3, live={"prod": 1}))
    failed = Release(app="shop", number=2, blob="", created=1.0, state="failed", reason="No module named x.")
    await api.store.put("test", "test", "demo", "shop.2", failed)
    await refused(api, "demo", function="apps.build", app="shop")
    [fact] = await facts(api, "demo")
    assert (fact["about"], fact["name"], fact["weight"]) == ("release", "2", "warn")
    assert "No module named x." in fact["text"]
    assert "What was live before still is." in fact["advice"]
    await api.store.put("test", "test", "demo", "shop", App(host="test", next_release=4, live={"prod": 3}))
    await api.store.put(
        "test", "test", "demo", "shop.3", Release(app="shop", number=3, blob="", created=2.0, state="live")
    )
    assert await facts(api, "demo") == []


async def test_tasks_in_error_are_told_by_function(api: Api) -> None:
    for _ in range(3):
        await refused(api, "demo", app="shop")
    [fact] = await facts(api, "demo")
    assert (fact["about"], fact["count"], fact["app"]) == ("task", 3, "shop")
    assert fact["text"].startswith("3 tasks of mod:work ended in error")
    assert fact["command"].startswith("serai task retry")


async def test_a_provider_that_is_down_is_told_of_its_own_tenant(api: Api) -> None:
    tasks = Tasks(api.store)
    await tasks.provider_down("user:root", "demo/shop/mail", "they said so")
    await tasks.provider_down("user:root", "bank", "")
    assert [one["name"] for one in about(await facts(api, "demo"), "provider")] == ["demo/shop/mail"]
    assert about(await facts(api, "other"), "provider") == []
    assert {one["name"] for one in about(await facts(api), "provider")} == {"demo/shop/mail", "bank"}


async def test_a_host_whose_bot_is_away_is_told_to_operators(api: Api) -> None:
    await api.store.put("test", "test", "", "far", Host(cores=2, memory_mb=1000))
    assert {one["name"] for one in about(await facts(api), "bot")} == {"host:far", "any"}


async def test_a_quota_that_is_given_out_is_told(api: Api) -> None:
    await api.store.put("test", "test", "demo", "demo", Need(memory_mb=16384, processes=10, disk_mb=10))
    [fact] = await facts(api, "demo")
    assert "quota of memory" in fact["text"]


async def test_what_ends_soon_is_told_to_those_who_may_know(api: Api) -> None:
    now = time.time()
    await api.person("ada", ("demo", "owner"))
    await api.person("bill", ("demo", "billing"))
    mine = Token(user="ada", digest="0" * 64, scope=Scope(tenant="demo"), title="for the mirror", expires=now + DAY)
    await api.store.put("test", "test", "demo", "mirror", mine)
    far = Token(user="ada", digest="0" * 64, scope=Scope(tenant="demo"), expires=now + 90 * DAY)
    await api.store.put("test", "test", "demo", "later", far)
    invitation = Invitation(email="eve@example.test", role="viewer", digest="0" * 64, expires=now + 3600)
    await api.store.put("test", "test", "demo", "abc123", invitation)
    found = await facts(api, "demo", "ada")
    assert {one["about"] for one in found} == {"token", "invitation"}
    assert next(one for one in about(found, "token"))["text"].startswith("Your token for the mirror ends in 24 hours")
    answer = await api.front("GET", "/v1/attention?tenant=demo", cookie=await api.signed_in("bill"))
    assert answer.status_code == 403


async def test_nobody_hears_of_a_foreign_tenant(api: Api) -> None:
    await refused(api, "other")
    await api.person("ada", ("demo", "owner"))
    assert await facts(api, "demo", "ada") == []
    cookie = await api.signed_in("ada")
    answers = [
        await api.front("GET", path, cookie=cookie)
        for path in ("/v1/attention?tenant=other", "/v1/attention?tenant=nowhere", "/v1/attention")
    ]
    assert [answer.status_code for answer in answers] == [404, 404, 404]


async def test_a_full_disk_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    class Nearly:
        f_bavail, f_blocks, f_favail, f_files = 2, 100, 50, 100

    monkeypatch.setattr("os.statvfs", lambda _folder: Nearly)
    [fact] = room("/somewhere")
    assert (fact.weight, fact.about) == ("bad", "host")
    assert "2 %" in fact.text


async def test_all_who_ask_within_a_moment_are_told_the_same(api: Api) -> None:
    assert await facts(api, "demo") == []
    await refused(api, "demo")
    assert await facts(api, "demo") == []


async def test_while_the_store_is_away_that_is_told_once(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*_more: Any, **_named: Any) -> Any:
        raise UnavailableError("The store is away.")

    for name in ("find", "last_change", "get"):
        monkeypatch.setattr(api.store, name, away)
    found = [one for one in await facts(api, "demo") if "not known in full" in one["text"]]
    assert len(found) == 1
