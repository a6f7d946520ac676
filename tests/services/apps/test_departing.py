"""A tenant goes whole, however large it is and whatever is made at that moment; and it comes back whole."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from serai.errors import NotFoundError, SeraiError
from serai.identity.descriptors import Tenant
from serai.identity.people import CustomRole, Invitation, Member, Token, TokenUse, User
from serai.identity.principals import Scope
from serai.services.apps import actions, departing, returning, trash
from serai.services.apps.addresses import Site
from serai.services.apps.departing import leave, leaving
from serai.services.apps.descriptors import KINDS, App, Release, Trash
from serai.services.apps.picture import again
from serai.store import Delete, Put, Store
from serai.store.open import open_store
from serai.tasks.schedule import Schedule

WHO = "user:test"
SITE = Site("one", "localhost")
ALL = (App, Release, Schedule, Member, CustomRole, Token, TokenUse, Invitation)


@pytest.fixture(params=["memory", "embedded", "cluster"])
async def store(request: Any, tmp_path: Path) -> AsyncIterator[Store]:
    addresses = {"memory": "memory:", "embedded": f"sqlite:{tmp_path / 'store.db'}"}
    address = addresses.get(request.param) or request.getfixturevalue("database")()
    opened = open_store(address, kinds=KINDS)
    await opened.put(WHO, "test", "demo", "demo", Tenant(uid=1))
    yield opened
    await opened.close()


async def fill(store: Store, apps: int, plans: int) -> None:
    """Give a tenant people, apps with releases, and schedules of its own."""
    puts = [Put("", "ada", User()), Put("demo", "ada", Member(role="owner"))]
    puts += [Put("demo", "releaser", CustomRole(actions=("app.read",)))]
    for number in range(apps):
        puts += [Put("demo", f"a{number}", App(host="one", next_release=3))]
        puts += [
            Put("demo", f"a{number}.{one}", Release(app=f"a{number}", number=one, blob="", created=0.0, who=WHO))
            for one in (1, 2)
        ]
    plan = Schedule(function="test.tick", when="every 5m")
    puts += [Put("demo", f"plan-{number}", plan) for number in range(plans)]
    for begin in range(0, len(puts), 5000):
        await store.change(WHO, "fill", puts[begin : begin + 5000])


async def delete(store: Store) -> str:
    """Delete the tenant as the API does, and return what it is kept as."""
    record = await store.get(Tenant, "demo", "demo")
    operations = await leaving(store, SITE, WHO, "demo", [Delete(Tenant.KIND, "demo", "demo", record.version)])
    await store.change(WHO, "delete", operations)
    [kept] = await store.find(Trash, "")
    return kept.name


async def left(store: Store) -> list[str]:
    return [f"{one.kind}/{one.name}" for kind in ALL for one in await store.find(kind, "demo", limit=10_000)]


async def counts(store: Store) -> dict[str, int]:
    return {kind.KIND: len(await store.find(kind, "demo", limit=10_000)) for kind in ALL}


async def test_a_large_tenant_goes_in_steps_that_a_kill_may_end_and_comes_back_whole(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(departing, "ROOM", 40)
    monkeypatch.setattr(departing, "REST", 30)
    await fill(store, apps=12, plans=100)
    before = await counts(store)
    name = await delete(store)
    assert (await store.get(Trash, "", name)).spec.state == "leaving"
    assert await left(store), "one step does not suffice"

    class Killed(BaseException):
        pass

    killed = 0
    while await left(store):

        async def once(attempt: Any) -> Any:
            await again(attempt)
            raise Killed

        monkeypatch.setattr(departing, "again", once)
        with pytest.raises(Killed):
            await leave(store, SITE, WHO, "demo", name)
        killed += 1
    monkeypatch.setattr(departing, "again", again)
    await leave(store, SITE, WHO, "demo", name)
    assert killed >= 3
    assert (await store.get(Trash, "", name)).spec.state == "kept"
    told = await returning.undelete(store, SITE, WHO, "demo")
    assert told.notes == ()
    assert await counts(store) == before
    for one in await store.find(Trash, "demo"):
        assert one.spec.state == "returning", "its folders follow"
    assert (await store.get(Tenant, "demo", "demo")).spec.uid == 1


async def test_more_descriptors_than_a_transaction_takes_are_no_obstacle(store: Store) -> None:
    await fill(store, apps=20, plans=10_500)
    name = await delete(store)
    assert await leave(store, SITE, WHO, "demo", name) > 10
    assert await left(store) == []
    await returning.undelete(store, SITE, WHO, "demo")
    last = [one async for one in _all(store, Schedule)]
    assert len(last) == 10_500


async def _all(store: Store, kind: Any) -> AsyncIterator[Any]:
    after = ""
    while page := await store.find(kind, "demo", after=after, limit=10_000):
        for one in page:
            yield one
        after = f"{page[-1].tenant}/{page[-1].name}"


async def test_what_is_made_while_a_tenant_goes_goes_along_or_is_refused(store: Store) -> None:
    await fill(store, apps=2, plans=2)

    async def make(number: int) -> bool:
        try:
            await actions.create_app(store, SITE, WHO, "demo", f"late-{number}")
            await store.put(WHO, "test", "demo", f"late-{number}", Member(role="owner"))
        except NotFoundError:
            return False
        return True

    made = [asyncio.create_task(make(number)) for number in range(10)]
    name = await delete(store)
    made += [asyncio.create_task(make(number)) for number in range(10, 20)]
    done = await asyncio.gather(*made)
    assert not any(done[10:]), "nothing is made of what is no more"
    await leave(store, SITE, WHO, "demo", name)
    assert await left(store) == []
    kept = (await store.get(Trash, "", name)).spec
    assert len([one for one in kept.parts if one.startswith("late-")]) >= sum(done)


async def test_what_came_at_that_moment_is_found_by_the_task(store: Store) -> None:
    await fill(store, apps=1, plans=0)
    record = await store.get(Tenant, "demo", "demo")
    operations = await leaving(store, SITE, WHO, "demo", [Delete(Tenant.KIND, "demo", "demo", record.version)])
    await actions.create_app(store, SITE, WHO, "demo", "late")  # between the look and the commit
    await store.put(WHO, "test", "demo", "bob", Member(role="owner"))
    await store.put(WHO, "test", "demo", "ci", Token(user="ada", digest="", scope=Scope()))
    await store.change(WHO, "delete", operations)
    [kept] = await store.find(Trash, "")
    assert kept.spec.state == "kept"
    assert [one for one in operations if getattr(one, "function", "") == "apps.leave"]
    assert await left(store) == ["app/late", "member/bob", "token/ci"]
    await leave(store, SITE, WHO, "demo", kept.name)
    assert await left(store) == []
    await store.put(WHO, "test", "", "bob", User())
    await returning.undelete(store, SITE, WHO, "demo")
    assert sorted(one.name for one in await store.find(App, "demo")) == ["a0", "late"]
    assert sorted(one.name for one in await store.find(Member, "demo")) == ["ada", "bob"]
    assert await store.find(Token, "demo") == []


async def test_a_tenant_that_is_had_back_at_that_moment_loses_nothing(store: Store) -> None:
    await fill(store, apps=3, plans=3)
    before = await counts(store)
    name = await delete(store)
    outcomes = await asyncio.gather(
        returning.undelete(store, SITE, WHO, "demo"), leave(store, SITE, WHO, "demo", name), return_exceptions=True
    )
    assert not [one for one in outcomes if isinstance(one, BaseException)]
    assert await counts(store) == before
    assert await leave(store, SITE, WHO, "demo", name) == 0
    assert await counts(store) == before


async def test_a_tenant_that_still_goes_can_be_ended_for_good(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(departing, "ROOM", 10)
    await fill(store, apps=5, plans=5)
    name = await delete(store)
    tasks = await returning.purge(store, SITE, WHO, "demo", name, confirm="demo")
    assert await left(store) == []
    parts = (await store.get(Trash, "", name)).spec.parts
    assert len(tasks) == len(parts) + 1
    with pytest.raises(SeraiError):
        await trash.purge(store, SITE, WHO, "demo", "demo", name, confirm="demo")
