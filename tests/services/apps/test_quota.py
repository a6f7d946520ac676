"""What a tenant may use together, and when it is refused."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from serai.errors import ExhaustedError
from serai.identity.descriptors import Tenant
from serai.services.apps import actions, quota, switching, wake
from serai.services.apps.addresses import Site
from serai.services.apps.descriptors import KINDS, App, Need, Process, Release
from serai.services.apps.quota import need
from serai.services.apps.work import Work
from serai.store import Store
from serai.store.open import open_store

if TYPE_CHECKING:
    from tests.services.apps.conftest import Platform

SITE = Site("here", "localhost")
WHO = "user:test"
WEB = Process(argv=("x",), memory_mb=100, processes=10)
BOTH = {"web": WEB, "worker": Process(argv=("y",), memory_mb=50, processes=5, count=2)}


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    made = open_store("memory:", kinds=KINDS)
    await tenant(made)
    yield made
    await made.close()


async def tenant(store: Store, **fields: int) -> None:
    await store.put("system", "test", "demo", "demo", Tenant(uid=1, **fields))


async def have(store: Store, app: str, *releases: Release, **fields: Any) -> None:
    await store.put(WHO, "test", "demo", app, App(host="here", **fields))
    for release in releases:
        await store.put(WHO, "test", "demo", f"{app}.{release.number}", release)


def release(number: int, app: str = "hello", **fields: Any) -> Release:
    chosen = {"processes": {"web": WEB}, "data_mb": 8, "state": "built", "built": 1.0, **fields}
    return Release(app=app, number=number, blob="", created=0, **chosen)


def test_live_releases_count_in_full_and_those_awake_with_one_web_instance() -> None:
    app = App(live={"prod": 1}, scale={"web": 3})
    first, second = release(1, processes=BOTH, data_mb=8), release(2, processes=BOTH, data_mb=64)
    assert need(app, [first]) == Need(memory_mb=400, processes=40, disk_mb=8)
    assert need(app, [first, second]) == Need(memory_mb=500, processes=50, disk_mb=64), "one data folder for both"
    assert need(app, [release(1, processes={})]) == Need(), "a static site has no data"


@pytest.mark.parametrize("field", ["memory_mb", "processes", "disk_mb"])
async def test_each_quota_is_the_sum_over_all_apps(store: Store, field: str) -> None:
    await have(store, "first", release(1, "first"), live={"prod": 1})
    await have(store, "hello", release(1))
    exact = {"memory_mb": 200, "processes": 20, "disk_mb": 16}
    await tenant(store, **exact)
    await actions.promote(store, WHO, "demo", "hello", 1)
    await tenant(store, **{**exact, field: exact[field] - 1})
    with pytest.raises(ExhaustedError) as caught:
        await actions.promote(store, WHO, "demo", "hello", 1)
    assert caught.value.fields == {"quota": field, "needed": exact[field], "allowed": exact[field] - 1}
    assert str(exact[field]) in caught.value.public


async def test_what_replaces_a_release_is_not_counted_twice(store: Store) -> None:
    await have(store, "hello", release(1), release(2, data_mb=9), live={"prod": 1})
    await tenant(store, memory_mb=100, processes=10, disk_mb=9)
    await actions.promote(store, WHO, "demo", "hello", 2)
    with pytest.raises(ExhaustedError):
        await actions.promote(store, WHO, "demo", "hello", 2, "staging")


async def test_two_apps_that_grow_at_once_do_not_both_take_the_last_room(store: Store) -> None:
    for app in ("first", "hello"):
        await have(store, app, release(1, app), live={"prod": 1})
    await tenant(store, memory_mb=300)
    done = await asyncio.gather(
        *(actions.scale(store, SITE, WHO, "demo", app, "web", 2) for app in ("first", "hello")), return_exceptions=True
    )
    assert sorted(type(one).__name__ for one in done) == ["ExhaustedError", "NoneType"]
    assert (await store.get(Need, "demo", "demo")).spec.memory_mb == 300
    scaled = [(await store.get(App, "demo", app)).spec.scale for app in ("first", "hello")]
    assert sorted(map(len, scaled)) == [0, 1]


async def test_two_releases_that_are_woken_at_once_do_not_both_take_the_last_room(store: Store) -> None:
    for app in ("first", "hello"):
        await have(store, app, release(1, app))
    await tenant(store, memory_mb=150)
    wishes = [wake.wake(store, SITE, WHO, wake.Wake("demo", app, 1)) for app in ("first", "hello")]
    done = await asyncio.gather(*wishes, return_exceptions=True)
    assert sorted(type(one).__name__ for one in done) == ["ExhaustedError", "bool"]


async def test_what_goes_live_at_once_in_two_apps_is_admitted_once(store: Store) -> None:
    for app in ("first", "hello"):
        await have(store, app, release(1, app))
        await actions.promote(store, WHO, "demo", app, 1)
    await tenant(store, memory_mb=150)
    done = await asyncio.gather(
        *(switching.switch(work(store, app), 1, "prod") for app in ("first", "hello")), return_exceptions=True
    )
    assert sorted(type(one).__name__ for one in done) == ["FailedError", "str"]
    lives = [(await store.get(App, "demo", app)).spec.live for app in ("first", "hello")]
    assert sorted(map(len, lives)) == [0, 1]
    states = [(await store.get(Release, "demo", f"{app}.1")).spec.state for app in ("first", "hello")]
    assert sorted(states) == ["failed", "live"]


def work(store: Store, app: str) -> Work:
    """Return what a step works with that only reads and writes the store."""
    return Work(
        store=store, blobs=Path, site=SITE, home=Path("/nowhere"), driver=None, who=WHO, tenant="demo", app=app,
        tell=lambda *_: None, note=lambda _: None,
    )  # fmt: skip


async def test_a_release_that_was_only_built_is_not_woken_beyond_the_quotas(store: Store) -> None:
    await have(store, "hello", release(1), release(2, data_mb=9000), live={"prod": 1})
    await tenant(store, disk_mb=8)
    with pytest.raises(ExhaustedError, match="9000 MiB for data"):
        await wake.wake(store, SITE, WHO, wake.Wake("demo", "hello", 2))
    assert await wake.wake(store, SITE, WHO, wake.Wake("demo", "hello", 1))


async def test_a_tenant_has_a_bounded_number_of_apps(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(actions, "MAX_APPS", 1)
    await actions.create_app(store, SITE, WHO, "demo", "one")
    with pytest.raises(ExhaustedError):
        await actions.create_app(store, SITE, WHO, "demo", "two")
    upload = actions.Upload(app="one", blob="0" * 64)
    await actions.deploy(store, SITE, WHO, "demo", upload)
    with pytest.raises(ExhaustedError):
        await actions.deploy(store, SITE, WHO, "demo", actions.Upload(app="two", blob="0" * 64))


async def test_what_is_deleted_while_it_is_counted_counts_as_nothing(store: Store) -> None:
    await have(store, "hello", live={"prod": 1})
    await quota.admit(store, "demo", {})


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
async def test_a_deployment_beyond_a_quota_fails_and_what_is_live_stays(platform: Platform) -> None:
    await platform.deploy("hello", platform.web_app())
    for more, said in (
        ("[resources]\ndisk_mb = 40000\n", "40000 MiB for data"),
        ("[resources]\nmemory_mb = 20000\n", "20000 MiB of memory"),
        ("[resources]\nprocesses = 5000\n", "5000 processes"),
    ):
        made = await platform.deploy("hello", platform.web_app(more=more))
        assert (made.state, said in made.reason) == ("failed", True), made.reason
    assert (await platform.app("hello")).live == {"prod": 1}
    await platform.until("hello", {"hello.1.web.0": "ready"})
