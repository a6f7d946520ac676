"""What people ask for, on a real store in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from serai.cloud.descriptors import Instance, Route
from serai.errors import (
    AlreadyExistsError,
    ConflictError,
    DeniedError,
    ExhaustedError,
    InvalidError,
    NotFoundError,
    SeraiError,
)
from serai.identity.descriptors import Tenant
from serai.identity.seal import Keyring
from serai.services.apps import actions, domains, removal, wake
from serai.services.apps.actions import Upload
from serai.services.apps.addresses import Site
from serai.services.apps.checks import check_host_name
from serai.services.apps.descriptors import APP_NAME, KINDS, App, Domain, Process, Release
from serai.services.apps.variables import Variables, check_variables, stored
from serai.store import Store
from serai.store.open import open_store
from serai.tasks import Tasks

SITE = Site("here", "localhost")
WHO = "user:test"
BLOB = "0" * 64
KEYS = Keyring({"k1": b"1" * 32})


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    made = open_store("memory:", kinds=KINDS)
    for number, name in enumerate(("demo", "other"), 1):
        await made.put("system", "test", name, name, Tenant(uid=number))
    yield made
    await made.close()


async def plain(store: Store, app: str) -> dict[str, str]:
    return (await stored(store, "demo", app))[0].opened(KEYS, "demo", app)


async def live(store: Store, app: str = "hello", number: int = 1, **fields: object) -> None:
    """Have a release that is live, as its tasks would leave it."""
    await actions.deploy(store, SITE, WHO, "demo", Upload(app=app, blob=BLOB))
    record = await store.get(Release, "demo", f"{app}.{number}")
    spec = replace(record.spec, state="live", built=1.0, folder="/f", **fields or {"processes": {"web": WEB}})
    app_record = await store.get(App, "demo", app)
    await store.put(WHO, "test", "demo", record.name, spec)
    await store.put(WHO, "test", "demo", app, replace(app_record.spec, live={"prod": number}))


WEB = Process(argv=("/bin/true",), memory_mb=512)


async def test_a_deployment_is_one_change_with_all_its_tasks(store: Store) -> None:
    rollout = await actions.deploy(store, SITE, WHO, "demo", Upload(app="hello", blob=BLOB, title="first"))
    assert rollout.release == 1
    tasks = [await Tasks(store).get(task) for task in rollout.tasks]
    assert [task.function.removeprefix("apps.") for task in tasks] == [
        "build", "start", "check", "switch", "drain", "stop",
    ]  # fmt: skip
    assert {task.channel for task in tasks} == {"app:demo/hello", "drain:demo/hello"}
    assert {task.queue for task in tasks} == {"host:here"}
    [revision] = await store.history(App, "demo", "hello")
    assert (revision.who, revision.why) == (WHO, "first")


async def test_deployments_at_the_same_moment_get_numbers_of_their_own(store: Store) -> None:
    upload = Upload(app="hello", blob=BLOB)
    rollouts = await asyncio.gather(*(actions.deploy(store, SITE, WHO, "demo", upload) for _ in range(8)))
    assert sorted(rollout.release for rollout in rollouts) == list(range(1, 9))


async def test_without_an_environment_a_release_is_only_built(store: Store) -> None:
    rollout = await actions.deploy(store, SITE, WHO, "demo", Upload(app="hello", blob=BLOB, environment=None))
    assert len(rollout.tasks) == 1


async def test_a_tenant_that_does_not_exist_can_do_nothing(store: Store) -> None:
    with pytest.raises(NotFoundError):
        await actions.deploy(store, SITE, WHO, "nobody", Upload(app="hello", blob=BLOB))
    assert await store.find(App) == []


@pytest.mark.parametrize("name", ["", "4", "4you", "-a", "a-", "A", "a.b", "a/b", "a b", "é", "a\0", "a\n", "a" * 42])
async def test_names_that_are_no_labels_or_read_as_numbers_are_refused(store: Store, name: str) -> None:
    with pytest.raises(InvalidError):
        await actions.deploy(store, SITE, WHO, "demo", Upload(app=name, blob=BLOB))


async def test_creating_an_app_twice_is_refused(store: Store) -> None:
    await actions.create_app(store, SITE, WHO, "demo", "hello")
    with pytest.raises(AlreadyExistsError):
        await actions.create_app(store, SITE, WHO, "demo", "hello")
    await actions.create_app(store, SITE, WHO, "other", "hello")


async def test_only_what_was_built_can_be_promoted_and_only_what_was_live_rolled_back(store: Store) -> None:
    await actions.deploy(store, SITE, WHO, "demo", Upload(app="hello", blob=BLOB))
    with pytest.raises(ConflictError):
        await actions.promote(store, WHO, "demo", "hello", 1)
    with pytest.raises(ConflictError):
        await actions.rollback(store, WHO, "demo", "hello")
    for release in (0, -1, 10**10):
        with pytest.raises(InvalidError):
            await actions.promote(store, WHO, "demo", "hello", release)
    with pytest.raises(NotFoundError):
        await actions.promote(store, WHO, "demo", "hello", 2)


async def test_scaling_wants_instances_at_once_and_lets_the_last_ones_go(store: Store) -> None:
    await live(store)
    await actions.scale(store, SITE, WHO, "demo", "hello", "web", 3)
    names = [one.name for one in await store.find(Instance, "demo")]
    assert names == ["hello.1.web.0", "hello.1.web.1", "hello.1.web.2"]
    await actions.scale(store, SITE, WHO, "demo", "hello", "web", 1)
    wanted = {one.name: one.spec.wanted for one in await store.find(Instance, "demo")}
    assert wanted == {"hello.1.web.0": "running", "hello.1.web.1": "draining", "hello.1.web.2": "draining"}
    await actions.scale(store, SITE, WHO, "demo", "hello", "web", 2)
    assert (await store.get(Instance, "demo", "hello.1.web.3")).spec.wanted == "running", "names that drain are taken"


async def test_scaling_beyond_the_tenants_quotas_is_refused_and_changes_nothing(store: Store) -> None:
    await live(store)
    for fields in ({"memory_mb": 1024}, {"processes": 256}):
        await store.put(WHO, "test", "demo", "demo", Tenant(uid=1, **fields))
        with pytest.raises(ExhaustedError) as caught:
            await actions.scale(store, SITE, WHO, "demo", "hello", "web", 3)
        assert caught.value.fields["quota"] in fields
        assert (await store.get(App, "demo", "hello")).spec.scale == {}
    await actions.scale(store, SITE, WHO, "demo", "hello", "web", 2)
    for count in (-1, 101):
        with pytest.raises(InvalidError):
            await actions.scale(store, SITE, WHO, "demo", "hello", "web", count)
    with pytest.raises(InvalidError):
        await actions.scale(store, SITE, WHO, "demo", "hello", "nothing", 1)


async def test_variables_are_merged_and_renew_what_runs(store: Store) -> None:
    await live(store)
    assert len(await actions.set_env(store, KEYS, WHO, "demo", "hello", {"A": "1", "B": "2"})) == 1
    assert await actions.set_env(store, KEYS, WHO, "demo", "hello", {"A": "1"}) == (), "nothing changed"
    await actions.set_env(store, KEYS, WHO, "demo", "hello", {"A": None, "C": "😀"})
    assert await plain(store, "hello") == {"B": "2", "C": "😀"}
    assert await plain(store, "other") == {}
    await removal.delete_app(store, SITE, WHO, "demo", "hello", confirm="hello")
    assert await store.find(Variables) == []


async def test_values_of_variables_are_in_no_reason_and_no_task(store: Store) -> None:
    await live(store)
    await actions.set_env(store, KEYS, WHO, "demo", "hello", {"KEY": "s3cret"})
    assert "s3cret" not in str(await store.history(App, "demo", "hello"))
    assert all("s3cret" not in one.why for one in await store.history(Variables, "demo", "hello"))
    assert "s3cret" not in repr((await store.get(Variables, "demo", "hello")).spec)
    for task in await Tasks(store).find():
        assert "s3cret" not in str((await Tasks(store).get(task.id)).arguments)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("", "x"),
        ("1A", "x"),
        ("A B", "x"),
        ("A=B", "x"),
        ("A", "a\0b"),
        ("A", "x" * 40_000),
        ("PORT", "1"),
        ("A", "\ud800"),
    ],
)
def test_what_no_environment_holds_is_refused(name: str, value: str) -> None:
    with pytest.raises(InvalidError) as caught:
        check_variables({name: value})
    assert value not in caught.value.public or len(value) < 3


async def test_a_host_name_has_one_owner(store: Store) -> None:
    await live(store)
    await domains.add(store, SITE, WHO, "demo", "www.example.test", "hello")
    assert (await store.get(Route, "", "www.example.test/")).spec.release == 1
    await actions.create_app(store, SITE, WHO, "other", "mine")
    with pytest.raises(AlreadyExistsError):
        await domains.add(store, SITE, WHO, "other", "www.example.test", "mine")
    await domains.remove(store, SITE, WHO, "demo", "www.example.test")
    await domains.add(store, SITE, WHO, "other", "www.example.test", "mine")
    route = (await store.get(Route, "", "www.example.test/")).spec
    assert (route.tenant, route.release) == ("other", 0), "it is taken although nothing is live yet"


async def test_two_who_want_the_same_name_at_once_do_not_both_get_it(store: Store) -> None:
    for tenant in ("demo", "other"):
        await actions.create_app(store, SITE, WHO, tenant, "hello")
    results = await asyncio.gather(
        *(domains.add(store, SITE, WHO, tenant, "a.example.test", "hello") for tenant in ("demo", "other")),
        return_exceptions=True,
    )
    assert sorted(type(result) for result in results if result) == [AlreadyExistsError]
    assert len(await store.find(Domain)) == 1


@pytest.mark.parametrize("host", ["localhost", "other.localhost", "x.other.localhost", "notdemo.localhost"])
async def test_names_of_the_platform_and_of_others_below_it_are_refused(store: Store, host: str) -> None:
    await live(store)
    with pytest.raises((DeniedError, InvalidError)):
        await domains.add(store, SITE, WHO, "demo", host, "hello")


async def test_a_name_below_the_tenants_own_is_its_own(store: Store) -> None:
    await live(store)
    await domains.add(store, SITE, WHO, "demo", "blog.demo.localhost", "hello")
    assert (await store.get(Route, "", "blog.demo.localhost/")).spec.tenant == "demo"


@pytest.mark.parametrize(
    "host",
    [
        "",
        "a",
        "1.2.3.4",
        "a..b",
        ".a.b",
        "a.b.",
        "A.b",
        "a_b.c",
        "a.b:80",
        "a.b/",
        "*.a.b",
        "é.a",
        "a.b\n",
        "x" * 64 + ".a",
    ],
)
def test_what_is_no_host_name_is_refused(host: str) -> None:
    with pytest.raises(InvalidError):
        check_host_name(host)


@given(st.text(max_size=60))
def test_any_text_is_a_host_name_that_a_route_can_have_or_refused(text: str) -> None:
    try:
        check_host_name(text)
    except InvalidError:
        return
    assert Route.NAME.fullmatch(f"{text}/")
    assert Domain.NAME.fullmatch(text)


@given(st.from_regex(APP_NAME, fullmatch=True))
def test_any_name_of_an_app_fits_into_the_names_made_of_it(name: str) -> None:
    assert Release.NAME.fullmatch(f"{name}.999999999")
    assert Instance.NAME.fullmatch(f"{name}.999999999.web.99999")
    assert Route.NAME.fullmatch(f"demo.localhost/{name}/999999999/")
    assert Route.NAME.fullmatch(f"demo.localhost/{name}~staging/")
    assert not name.isdigit()


async def test_deleting_an_app_needs_its_name_and_leaves_others_alone(store: Store) -> None:
    await live(store)
    await live(store, "hello-2")
    await domains.add(store, SITE, WHO, "demo", "www.example.test", "hello")
    with pytest.raises(InvalidError):
        await removal.delete_app(store, SITE, WHO, "demo", "hello", confirm="")
    await removal.delete_app(store, SITE, WHO, "demo", "hello", confirm="hello")
    assert [app.name for app in await store.find(App, "demo")] == ["hello-2"]
    assert [release.name for release in await store.find(Release, "demo")] == ["hello-2.1"]
    assert await store.find(Domain) == []
    assert await store.find(Route, "") == []


async def test_a_release_is_woken_once_however_many_ask(store: Store) -> None:
    await live(store)
    wish = wake.Wake("demo", "hello", 1)
    made = await asyncio.gather(*(wake.wake(store, SITE, WHO, wish) for _ in range(10)))
    assert sorted(made) == [False] * 9 + [True]
    assert len(await store.find(Instance, "demo")) == 1


async def test_what_can_not_run_is_not_woken(store: Store) -> None:
    await live(store)
    await actions.deploy(store, SITE, WHO, "demo", Upload(app="hello", blob=BLOB))
    for wish in (wake.Wake("demo", "hello", 2), wake.Wake("demo", "hello", 9), wake.Wake("demo", "no", 1)):
        with pytest.raises(SeraiError):
            await wake.wake(store, SITE, WHO, wish)
    await actions.scale(store, SITE, WHO, "demo", "hello", "web", 0)
    with pytest.raises(SeraiError, match="scaled to nothing"):
        await wake.wake(store, SITE, WHO, wake.Wake("demo", "hello", 1))


@given(st.recursive(st.none() | st.integers() | st.text(max_size=9), lambda inner: st.dictionaries(st.text(), inner)))
def test_any_message_is_a_wish_or_refused(message: object) -> None:
    with pytest.raises(InvalidError):
        wake.understand(message)
