"""Apps whose host is gone, or that never had one: they can be deleted, and nothing waits for who never comes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from msgspec.structs import replace

from serai.cloud.descriptors import Host, Instance
from serai.errors import ConflictError
from serai.identity.descriptors import Tenant
from serai.identity.hosts import enrol, revoke
from serai.services.apps import SERVICE, actions, hosts, removal, returning, trash
from serai.services.apps.departing import leaving
from serai.services.apps.descriptors import App, Release, Trash
from serai.store import Delete, NewTask, Put
from serai.store.tasks import FINAL
from serai.tasks import Filter, Registry, Tasks
from serai.tasks.bot import Bot, BotSettings

WHO = "user:test"
WAIT = 60.0


class Place:
    """A host with the bot of its queue, and the apps of one tenant."""

    def __init__(self, platform: Any) -> None:
        self.store, self.site = platform.store, platform.site
        self.tasks = Tasks(platform.store, platform.ctx.bus)
        self.folder = platform.ctx.home / "data/apps/demo"

    async def make(self, app: str, host: str) -> None:
        """Have an app with a release, instances, and tasks that wait for its host: one behind the other."""
        await self.store.change(
            WHO,
            "make",
            [
                Put("demo", app, App(host=host, next_release=2, live={"prod": 1}), 0),
                Put("demo", f"{app}.1", Release(app=app, number=1, blob="", created=0.0, who=WHO, state="live"), 0),
                Put("demo", f"{app}.1.web.0", Instance(app=app, release=1, host=host), 0),
                *(
                    NewTask(function="apps.restart", tenant="demo", app=app, queue=queue, channel=f"app:demo/{app}")
                    for queue in (f"host:{host}", f"host:{host}", f"work:{host}")
                ),
            ],
        )

    async def end(self, host: str) -> None:
        """Take a host's descriptor away."""
        await self.store.change(WHO, "it burned down", [Delete(Host.KIND, "", host)])

    async def delete(self, app: str) -> str:
        """Delete an app and wait for that; return what it is kept as."""
        await self.over(await removal.delete_app(self.store, self.site, WHO, "demo", app, confirm=app, data=True))
        return (await trash.find(self.store, "demo", app)).name

    async def over(self, names: tuple[str, ...]) -> None:
        """Wait until tasks have ended well."""
        assert names
        for name in names:
            ended = await self.tasks.wait(name, WAIT)
            assert ended.state == "done", ended.error

    async def waiting(self, app: str) -> list[str]:
        """Return the functions of what is left of an app's tasks, but for the end of what is kept of it."""
        found = await self.tasks.find(Filter(tenant="demo", app=app))
        return [one.function for one in found if one.state not in FINAL and not one.not_before]


@pytest.fixture
async def place(platform: Any) -> AsyncIterator[Place]:
    ctx = platform.ctx
    bot = Bot(
        platform.store,
        ctx.bus,
        Registry.of([SERVICE]),
        queues=(f"host:{ctx.host}",),
        settings=BotSettings(poll=0.5, stop=5.0, drain=0.5),
        resources={"home": ctx.home, "host": ctx.host, "base": ctx.base},
    )
    working = asyncio.create_task(bot.run())
    for host in ("two", "three"):
        await ctx.store.put(WHO, "test", "", host, Host(cores=1, memory_mb=1))
        await enrol(ctx.store, WHO, host, 0.0)
    yield Place(platform)
    working.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await working


@pytest.mark.parametrize("how", ["none", "unheard-of", "deleted", "revoked", "No Name"])
async def test_an_app_without_a_living_host_is_deleted_though_tasks_wait_for_that(place: Place, how: str) -> None:
    host = {"none": "", "deleted": "two", "revoked": "three"}.get(how, how)
    await place.make("shop", host)
    if how == "deleted":
        await place.end(host)
    if how == "revoked":
        await revoke(place.store, WHO, host)
    name = await place.delete("shop")
    assert await place.store.find(App, "demo") == []
    assert await place.store.find(Instance, "demo") == []
    assert await place.waiting("shop") == []
    assert (await place.store.get(Trash, "demo", name)).spec.host == place.site.host
    await place.over(await trash.purge(place.store, place.site, WHO, "demo", "shop", name, confirm="shop"))
    assert await place.store.find(Trash, "demo") == []


async def test_what_waits_for_a_host_that_is_only_away_goes_on_waiting(place: Place) -> None:
    await place.make("shop", "two")
    assert not await hosts.is_gone(place.store, place.site, "two")
    [task] = await removal.delete_app(place.store, place.site, WHO, "demo", "shop", confirm="shop")
    found = await place.tasks.get(task)
    assert (found.queue, found.channel, found.wait) == ("host:two", "app:demo/shop", "channel")
    assert len(await place.waiting("shop")) == 4
    await place.end("two")
    record = await trash.find(place.store, "demo", "shop")
    await place.over(await trash.purge(place.store, place.site, WHO, "demo", "shop", record.name, confirm="shop"))
    assert await place.waiting("shop") == [], "what is purged on another host waits for this one no more"


async def test_what_another_host_still_has_to_do_is_left_to_it(place: Place) -> None:
    await place.make("shop", "two")
    new = NewTask(function="apps.purge", tenant="demo", app="shop", queue="host:three", channel="trash:demo/shop.1")
    await place.store.change(WHO, "an older one of that name is kept there", [new])
    await place.end("two")
    await place.delete("shop")
    assert await place.waiting("shop") == ["apps.purge"]


async def test_an_app_comes_back_from_a_host_that_is_gone_as_far_as_it_can(place: Place) -> None:
    await place.make("shop", "two")
    await place.end("two")
    await place.delete("shop")
    told = await trash.undelete(place.store, place.site, WHO, "demo", "shop")
    await place.over(told.tasks)
    [note] = told.notes
    assert note.startswith("Its host two is gone")
    assert (await place.store.get(App, "demo", "shop")).spec.host == place.site.host, "it can be deployed again"


async def test_what_is_kept_on_a_host_that_went_later_can_not_be_had_and_says_so(place: Place) -> None:
    await place.store.put(WHO, "test", "demo", "shop", App(host="two"))
    await removal.delete_app(place.store, place.site, WHO, "demo", "shop", confirm="shop")
    await place.end("two")
    with pytest.raises(ConflictError, match="host two, which is gone"):
        await trash.undelete(place.store, place.site, WHO, "demo", "shop")
    assert (await trash.find(place.store, "demo", "shop")).spec.state == "kept"


async def test_a_tenant_goes_with_apps_of_hosts_that_are_gone_and_comes_back_with_them(place: Place) -> None:
    for app, host in (("none", ""), ("lost", "two")):
        await place.make(app, host)
    await place.store.put(WHO, "test", "demo", "here", App(host=place.site.host))
    await place.end("two")
    tenant = await place.store.get(Tenant, "demo", "demo")
    gone = [Delete(Tenant.KIND, "demo", "demo", tenant.version)]
    operations = await leaving(place.store, place.site, WHO, "demo", gone)
    await place.store.change(WHO, "delete", operations)
    new = [one for one in operations if isinstance(one, NewTask) and not one.not_before]
    assert sorted(one.function for one in new) == ["apps.leave", *["apps.remove"] * 3]
    await place.over(tuple(one.id for one in new))
    [kept] = await place.store.find(Trash, "")
    told = await returning.undelete(place.store, place.site, WHO, "demo")
    await place.over(told.tasks)
    assert sorted(one.name for one in await place.store.find(App, "demo")) == ["here", "lost", "none"]
    assert await place.store.find(Trash, "demo") == []
    again = [Delete(Tenant.KIND, "demo", "demo", (await place.store.get(Tenant, "demo", "demo")).version)]
    await place.store.change(WHO, "delete", await leaving(place.store, place.site, WHO, "demo", again))
    [kept] = await place.store.find(Trash, "")
    await place.over(await returning.purge(place.store, place.site, WHO, "demo", kept.name, confirm="demo"))
    assert await place.store.find(Trash) == []


async def test_an_app_that_has_no_host_gets_one_when_it_is_deployed(place: Place) -> None:
    await place.store.put(WHO, "test", "demo", "shop", App())
    upload = actions.Upload(app="shop", blob="0" * 64, environment=None)
    started = await actions.deploy(place.store, place.site, WHO, "demo", upload)
    assert (await place.store.get(App, "demo", "shop")).spec.host == place.site.host
    assert (await place.tasks.wait(started.tasks[0], WAIT)).state == "error", (
        "there is no such upload, and that is said"
    )


async def test_a_release_of_an_app_whose_host_is_gone_is_kept_here(place: Place) -> None:
    await place.make("shop", "two")
    await place.end("two")
    app = await place.store.get(App, "demo", "shop")
    await place.store.put(WHO, "test", "demo", "shop", replace(app.spec, live={}))
    await removal.delete_release(place.store, place.site, WHO, "demo", "shop", 1)
    [later] = [one for one in await place.tasks.find() if one.function == "apps.purge"]
    assert later.queue == f"host:{place.site.host}"
