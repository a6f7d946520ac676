"""A deleted app comes back as it was for a week, and then is gone for good; nothing in between loses or halves it."""

from __future__ import annotations

import asyncio
import errno
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from serai.api.desk import keyring_of
from serai.cloud.descriptors import Instance, Route
from serai.errors import AlreadyExistsError, ExhaustedError, InvalidError, NotFoundError
from serai.identity.descriptors import Tenant
from serai.identity.people import Member, User
from serai.services.apps import actions, departing, domains, folders, prune, quota, removal, returning, switching, trash
from serai.services.apps.descriptors import App, Domain, Release, Trash
from serai.services.apps.variables import Variables
from serai.store import Delete
from serai.tasks import Tasks

WHO = "user:test"


async def delete(platform: Any, *, data: bool = True) -> str:
    """Delete the app with its tasks, and return what it is kept as."""
    await removal.delete_app(platform.store, platform.site, WHO, "demo", "hello", confirm="hello", data=data)
    record = await trash.find(platform.store, "demo", "hello")
    await switching.remove(platform.work("hello"), data=data, trash=record.name)
    return record.name


async def undelete(platform: Any, name: str = "") -> trash.Returned:
    told = await trash.undelete(platform.store, platform.site, WHO, "demo", "hello", name)
    record = await trash.find(platform.store, "demo", "hello", name)
    await folders.bring_back(platform.work("hello"), record.name)
    return told


def place(platform: Any) -> Path:
    return Path(platform.ctx.home / "data/apps/demo/hello")


@pytest.fixture
async def hello(platform: Any) -> Any:
    await platform.deploy("hello", platform.web_app())
    await domains.add(platform.store, platform.site, WHO, "demo", "www.example.org", "hello")
    await actions.set_env(platform.store, keyring_of(platform.ctx.home), WHO, "demo", "hello", {"WORD": "kept"})
    (place(platform) / "data/file").write_text("precious")
    return platform


async def test_an_app_comes_back_with_all_that_was_its_own(hello: Any) -> None:
    before = await hello.store.get(App, "demo", "hello")
    name = await delete(hello)
    assert not (place(hello) / "data").exists()
    assert await hello.store.find(Instance, "demo") == []
    with pytest.raises(NotFoundError):
        await hello.store.get(Route, "", "www.example.org/")
    told = await undelete(hello, name)
    assert told.notes == ()
    assert (await hello.store.get(App, "demo", "hello")).spec == before.spec
    assert (await hello.store.get(Release, "demo", "hello.1")).spec.state == "live"
    assert (await hello.store.get(Route, "", "www.example.org/")).spec.release == 1
    assert (await hello.store.get(Variables, "demo", "hello")).spec.values.keys() == {"WORD"}
    assert [one.spec.wanted for one in await hello.store.find(Instance, "demo")] == ["running"]
    assert await hello.store.find(Trash, "demo") == []
    await hello.work("hello").place(64)
    assert (place(hello) / "data/file").read_text() == "precious"
    assert (place(hello) / "releases/1").is_dir()


async def test_a_release_comes_back_with_its_folder_and_its_address(hello: Any) -> None:
    await hello.deploy("hello", hello.web_app())
    before = await hello.release("hello", 1)
    await removal.delete_release(hello.store, hello.site, WHO, "demo", "hello", 1)
    await prune.sweep(hello.work("hello"), patient=True)
    assert (place(hello) / "releases/1").is_dir(), "it is kept"
    with pytest.raises(NotFoundError):
        await hello.store.get(Route, "", "demo.localhost/hello/1/")
    await trash.undelete_release(hello.store, hello.site, WHO, "demo", "hello", 1)
    assert (await hello.release("hello", 1)) == before
    assert (await hello.store.get(Route, "", "demo.localhost/hello/1/")).spec.release == 1
    assert await hello.store.find(Trash, "demo") == []
    for number, error in ((1, AlreadyExistsError), (2, AlreadyExistsError), (7, NotFoundError)):
        with pytest.raises(error):
            await trash.undelete_release(hello.store, hello.site, WHO, "demo", "hello", number)


async def test_a_deleted_release_goes_with_its_app_and_comes_with_it(hello: Any) -> None:
    await hello.deploy("hello", hello.web_app())
    await removal.delete_release(hello.store, hello.site, WHO, "demo", "hello", 1)
    await delete(hello)
    await actions.create_app(hello.store, hello.site, WHO, "demo", "hello")
    with pytest.raises(NotFoundError):
        await trash.undelete_release(hello.store, hello.site, WHO, "demo", "hello", 1)
    new = await hello.store.get(App, "demo", "hello")
    await hello.store.change(WHO, "out of the way", [Delete(App.KIND, "demo", "hello", new.version)])
    await undelete(hello)
    await prune.sweep(hello.work("hello"), patient=True)
    await trash.undelete_release(hello.store, hello.site, WHO, "demo", "hello", 1)
    assert (place(hello) / "releases/1").is_dir()


async def test_data_that_is_kept_counts_against_the_quota_until_it_is_purged(hello: Any) -> None:
    tenant = await hello.store.get(Tenant, "demo", "demo")
    name = await delete(hello)
    kept = await hello.store.get(Trash, "demo", name)
    assert 0 <= kept.spec.disk_mb <= 64, "what it takes, not what it might have"
    full = replace(kept.spec, disk_mb=tenant.spec.disk_mb)
    await hello.store.put(WHO, "test", "demo", name, full)
    with pytest.raises(ExhaustedError, match="see its trash"):
        await quota.admit(hello.store, "demo", {}, coming={"": (App(live={"prod": 1}), [await past(hello)])})
    await trash.undelete(hello.store, hello.site, WHO, "demo", "hello")
    await folders.bring_back(hello.work("hello"), name)


async def test_an_app_that_the_quotas_do_not_suffice_for_does_not_come_back(hello: Any) -> None:
    await delete(hello)
    tenant = await hello.store.get(Tenant, "demo", "demo")
    await hello.store.put(WHO, "test", "demo", "demo", replace(tenant.spec, memory_mb=1))
    with pytest.raises(ExhaustedError):
        await trash.undelete(hello.store, hello.site, WHO, "demo", "hello")
    assert (await trash.find(hello.store, "demo", "hello")).spec.state == "kept"


async def past(platform: Any) -> Release:
    """Return release 1 as it was before it was deleted."""
    [_, before] = await platform.store.history(Release, "demo", "hello.1", limit=2)
    found: Release = await platform.store.revision(Release, "demo", "hello.1", before.version)
    return found


async def test_a_tenant_comes_back_with_its_people_and_its_apps(hello: Any) -> None:
    store, site = hello.store, hello.site
    await store.put(WHO, "test", "", "ada", User())
    await store.put(WHO, "test", "", "bob", User())
    await store.put(WHO, "test", "demo", "ada", Member(role="owner"))
    await store.put(WHO, "test", "demo", "bob", Member(role="owner"))
    before = (await store.get(Tenant, "demo", "demo")).spec
    [record] = await store.find(Tenant)
    falls = [
        Delete(Tenant.KIND, "demo", "demo", record.version),
        *(Delete(Member.KIND, "demo", one) for one in ("ada", "bob")),
    ]
    await store.change(WHO, "delete", await departing.leaving(store, site, WHO, "demo", falls))
    for kind in (Tenant, App, Release, Domain, Variables, Instance, Member):
        assert await store.find(kind) == [], kind
    assert [one.name for one in await store.find(Route, "") if one.spec.tenant == "demo"] == []
    [app] = await store.find(Trash, "demo")
    await switching.remove(hello.work("hello"), data=True, trash=app.name)
    user = await store.get(User, "", "bob")
    await store.change(WHO, "somebody else gets the name", [Delete(User.KIND, "", "bob", user.version)])
    await store.put(WHO, "test", "", "bob", User())
    told = await returning.undelete(store, site, WHO, "demo")
    assert "bob" in told.notes[0]
    await folders.bring_back(hello.work("hello"), app.name)
    assert (await store.get(Tenant, "demo", "demo")).spec == before, "its number as well"
    assert [one.name for one in await store.find(Member, "demo")] == ["ada"]
    assert [one.spec.wanted for one in await store.find(Instance, "demo")] == ["running"]
    assert (await store.get(Route, "", "www.example.org/")).spec.release == 1
    assert await store.find(Trash) == []
    await hello.work("hello").place(64)
    assert (place(hello) / "data/file").read_text() == "precious"
    with pytest.raises(NotFoundError):
        await returning.undelete(store, site, WHO, "demo")


async def test_a_tenant_that_is_purged_leaves_nothing(hello: Any) -> None:
    store = hello.store
    [record] = await store.find(Tenant)
    gone = [Delete(Tenant.KIND, "demo", "demo", record.version)]
    await store.change(WHO, "delete", await departing.leaving(store, hello.site, WHO, "demo", gone))
    [app] = await store.find(Trash, "demo")
    [tenant] = await store.find(Trash, "")
    await switching.remove(hello.work("hello"), data=True, trash=app.name)
    for name, confirm, error in (("demo", "no", InvalidError), ("else", "else", NotFoundError)):
        with pytest.raises(error):
            await returning.purge(store, hello.site, WHO, name, tenant.name, confirm=confirm)
    assert len(await returning.purge(store, hello.site, WHO, "demo", tenant.name, confirm="demo")) == 2
    await folders.purge(hello.work("hello"), app.name)
    await folders.purge(replace(hello.work("demo"), tenant=""), tenant.name)
    assert await store.find(Trash) == []
    assert not folders.aside(hello.work("hello"), app.name).exists()


async def test_data_that_was_not_deleted_stays_where_it_is(hello: Any) -> None:
    await delete(hello, data=False)
    assert (place(hello) / "data").exists()
    await undelete(hello)
    await hello.work("hello").place(64)
    assert (place(hello) / "data/file").read_text() == "precious"


async def test_a_kill_anywhere_is_made_up_for_by_the_next_run(hello: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    rename, moves = Path.rename, 0

    def killed(self: Path, target: Path) -> Path:
        nonlocal moves
        moves += 1
        if moves % 2:
            raise asyncio.CancelledError
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", killed)
    await removal.delete_app(hello.store, hello.site, WHO, "demo", "hello", confirm="hello", data=True)
    name = (await trash.find(hello.store, "demo", "hello")).name
    for _ in range(8):
        try:
            await switching.remove(hello.work("hello"), data=True, trash=name)
            break
        except asyncio.CancelledError:
            continue
    await trash.undelete(hello.store, hello.site, WHO, "demo", "hello")
    for _ in range(8):
        try:
            await folders.bring_back(hello.work("hello"), name)
            break
        except asyncio.CancelledError:
            continue
    await hello.work("hello").place(64)
    assert (place(hello) / "data/file").read_text() == "precious"
    assert await hello.store.find(Trash, "demo") == []


async def test_on_a_full_disk_nothing_is_lost_and_the_next_run_goes_on(
    hello: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_self: Path, _target: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    await removal.delete_app(hello.store, hello.site, WHO, "demo", "hello", confirm="hello", data=True)
    name = (await trash.find(hello.store, "demo", "hello")).name
    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", full)
        with pytest.raises(ExhaustedError, match="No space"):
            await switching.remove(hello.work("hello"), data=True, trash=name)
    await switching.remove(hello.work("hello"), data=True, trash=name)
    await undelete(hello)
    await hello.work("hello").place(64)
    assert (place(hello) / "data/file").read_text() == "precious"


async def test_an_app_of_the_same_name_stands_in_the_way_and_says_so(hello: Any) -> None:
    await delete(hello)
    await actions.create_app(hello.store, hello.site, WHO, "demo", "hello")
    with pytest.raises(AlreadyExistsError, match="by now"):
        await trash.undelete(hello.store, hello.site, WHO, "demo", "hello")
    assert (await trash.find(hello.store, "demo", "hello")).spec.state == "kept"


async def test_a_domain_that_leads_elsewhere_by_now_stays_there(hello: Any) -> None:
    await delete(hello)
    await actions.create_app(hello.store, hello.site, WHO, "demo", "other")
    await domains.add(hello.store, hello.site, WHO, "demo", "www.example.org", "other")
    told = await undelete(hello)
    assert "www.example.org" in told.notes[0]
    assert (await hello.store.get(Domain, "demo", "www.example.org")).spec.app == "other"


async def test_when_the_week_is_over_nothing_is_left(hello: Any) -> None:
    name = await delete(hello)
    with pytest.raises(InvalidError):
        await trash.purge(hello.store, hello.site, WHO, "demo", "hello", name, confirm="no")
    later = [one for one in await Tasks(hello.store).find() if one.function == "apps.purge"]
    assert [one.channel for one in later] == [f"trash:demo/{name}"], "it keeps no other task of the app waiting"
    assert folders.aside(hello.work("hello"), name).is_dir()
    for _ in range(2):
        await folders.purge(hello.work("hello"), name)
        assert not folders.aside(hello.work("hello"), name).exists()
    with pytest.raises(NotFoundError):
        await trash.undelete(hello.store, hello.site, WHO, "demo", "hello")


async def test_what_is_on_its_way_back_is_not_purged(hello: Any) -> None:
    name = await delete(hello)
    await trash.undelete(hello.store, hello.site, WHO, "demo", "hello")
    await folders.purge(hello.work("hello"), name)
    assert folders.aside(hello.work("hello"), name).is_dir()
    await folders.bring_back(hello.work("hello"), name)
    await folders.purge(hello.work("hello"), name)
    assert (place(hello) / "releases/1").is_dir()
