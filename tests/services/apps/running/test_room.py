"""Quotas of waiting tasks: never exceeded, and cheap to ask for."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest

from serai.errors import ExhaustedError
from serai.identity.descriptors import Tenant
from serai.services.apps.descriptors import App
from serai.services.apps.running.room import LASTS, PAUSE, Room
from serai.store import NewTask
from serai.store.open import open_store
from serai.tasks import Filter, Tasks


class Shop:
    """Two apps of one tenant."""

    def __init__(self, store: Any) -> None:
        self.store = store
        self.time = 100.0
        self.room = Room(store, lambda: self.time)

    async def allow(self, tenant: int, app: int = 0) -> None:
        await self.store.put("x", "", "acme", "acme", Tenant(uid=1, tasks=tenant))
        for name in ("shop", "blog"):
            await self.store.put("x", "", "acme", name, App(tasks=app if name == "shop" else 0))

    async def enqueue(self, count: int, app: str = "shop") -> None:
        new = tuple(NewTask(function="jobs:f", tenant="acme", app=app) for _ in range(count))
        await self.room.insert("x", "", "acme", app, new)

    async def waiting(self, app: str = "") -> int:
        return await Tasks(self.store).waiting("acme", app, 10_000)


@pytest.fixture
async def shop():
    store = open_store("memory:", kinds=[Tenant, App])
    yield Shop(store)
    await store.close()


@pytest.mark.parametrize(("tenant", "app", "whose"), [(7, 0, "All applications of acme have 7"), (99, 7, "shop has 7")])
async def test_more_than_a_quota_is_refused_and_none_of_it_inserted(shop: Shop, tenant: int, app: int, whose) -> None:
    await shop.allow(tenant, app)
    await shop.enqueue(4)
    await shop.enqueue(3)
    with pytest.raises(ExhaustedError, match=f"{whose} tasks that wait, and may have 7") as refused:
        await shop.enqueue(1)
    assert refused.value.fields == {"quota": "tasks", "needed": 8, "allowed": 7}
    assert shop.room.full == ["acme/shop"]
    assert await shop.waiting() == 7


async def test_a_tenants_apps_share_its_quota_and_what_began_counts_no_more(shop: Shop) -> None:
    await shop.allow(10)
    await shop.enqueue(6, "blog")
    with pytest.raises(ExhaustedError, match="All applications of acme have 6"):
        await shop.enqueue(5)
    [one, *_] = await Tasks(shop.store).find(Filter(app="blog"))
    await Tasks(shop.store).cancel("x", one.id)
    with pytest.raises(ExhaustedError):
        await shop.enqueue(5)
    shop.time += PAUSE + 1
    await shop.enqueue(5)
    assert await shop.waiting() == 10


async def test_a_quota_holds_however_many_insert_at_once(shop: Shop) -> None:
    await shop.allow(50)
    done = await asyncio.gather(*(shop.enqueue(3) for _ in range(40)), return_exceptions=True)
    assert {type(each) for each in done} == {type(None), ExhaustedError}
    assert await shop.waiting() == 48


async def test_who_was_refused_costs_nothing_for_a_moment(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    await shop.allow(1)
    for _ in range(2):
        with contextlib.suppress(ExhaustedError):
            await shop.enqueue(1)
    apply, asked = shop.store.apply, []
    monkeypatch.setattr(shop.store, "apply", lambda transaction: asked.append(transaction) or apply(transaction))
    with pytest.raises(ExhaustedError):
        await shop.enqueue(1)
    assert asked == []
    shop.time += PAUSE
    with pytest.raises(ExhaustedError):
        await shop.enqueue(1)
    assert len(asked) == 1


async def test_a_quota_that_changed_holds_soon(shop: Shop) -> None:
    await shop.allow(8000)
    await shop.enqueue(400)
    await shop.allow(300)
    shop.time += LASTS
    with pytest.raises(ExhaustedError):
        await shop.enqueue(1)
    assert await shop.waiting() == 400
