"""Which releases go, and what stays of them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serai.cloud.descriptors import Instance, Route
from serai.errors import ConflictError, NotFoundError
from serai.identity.descriptors import Tenant
from serai.services.apps import folders, prune, removal, trash
from serai.services.apps.addresses import Site
from serai.services.apps.descriptors import KINDS, App, Process, Release
from serai.services.apps.picture import Picture, take
from serai.store import Record, Store
from serai.store.open import open_store

if TYPE_CHECKING:
    from tests.services.apps.conftest import Platform

SITE = Site("here", "localhost")
WHO = "user:test"


def release(number: int, state: str = "built", keep: int = 3) -> Release:
    built = 0.0 if state in {"waiting", "building"} else 1.0
    web = {"web": Process(argv=("x",))}
    return Release(
        app="hello", number=number, blob="0" * 64, created=0, state=state, built=built, processes=web, keep=keep
    )


def picture(app: App, *releases: Release) -> Picture:
    records = {one.number: Record("release", "demo", f"hello.{one.number}", 1, 1, one) for one in releases}
    record = Record("app", "demo", "hello", 1, 1, app)
    return Picture(
        site=SITE, tenant="demo", app=record, releases=records, instances=[], domains=[], routes={}, schedules={}
    )


def test_the_newest_the_live_and_what_an_environment_would_go_back_to_stay() -> None:
    app = App(live={"prod": 2, "staging": 9}, before={"prod": (3, 4), "staging": ()})
    releases = [release(number) for number in range(1, 11)]
    assert prune.surplus(picture(app, *releases)) == (1, 3, 5, 6, 7)
    assert prune.surplus(picture(app)) == ()
    assert prune.surplus(picture(app, release(1, "waiting"))) == ()


@given(
    st.lists(st.sampled_from(["waiting", "building", "built", "live", "failed"]), max_size=12),
    st.integers(1, 5),
    st.integers(1, 12),
)
def test_what_is_live_or_under_way_never_goes_and_enough_stay(states: list[str], keep: int, live: int) -> None:
    releases = [release(number, state, keep) for number, state in enumerate(states, 1)]
    gone = prune.surplus(picture(App(live={"prod": live}), *releases))
    assert live not in gone
    assert all(states[number - 1] not in prune.UNDER_WAY for number in gone)
    assert len(releases) - len(gone) >= min(keep, len(releases))
    assert not gone or max(gone) <= len(releases) - keep


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    made = open_store("memory:", kinds=KINDS)
    await made.put("system", "test", "demo", "demo", Tenant(uid=1))
    yield made
    await made.close()


async def test_a_release_that_nobody_shows_is_deleted_with_all_that_is_its_own(store: Store) -> None:
    await store.put(
        WHO, "test", "demo", "hello", App(host="here", live={"prod": 2}, before={"prod": (1,)}, next_release=4)
    )
    for number, state in ((1, "built"), (2, "live"), (3, "building")):
        await store.put(WHO, "test", "demo", f"hello.{number}", release(number, state))
    await store.put(WHO, "test", "", "demo.localhost/hello/1/", Route(tenant="demo", app="hello", release=1))
    await store.put(WHO, "test", "demo", "hello.1.web.0", Instance(app="hello", release=1, host="here"))
    assert await removal.delete_release(store, SITE, WHO, "demo", "hello", 1) == ()
    seen = await take(store, SITE, "demo", "hello")
    assert sorted(seen.releases) == [2, 3]
    assert seen.app.spec.before == {"prod": ()}
    assert seen.instances == []
    assert {name: route.spec.released for name, route in seen.routes.items()} == {
        "demo.localhost/hello/": 3,
        "demo.localhost/hello/2/": 0,
    }
    assert [one.deleted for one in await store.history("release", "demo", "hello.1")].count(True) == 1
    for number, error in ((1, NotFoundError), (2, ConflictError), (3, ConflictError), (9, NotFoundError)):
        with pytest.raises(error):
            await removal.delete_release(store, SITE, WHO, "demo", "hello", number)


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
async def test_releases_beyond_what_an_app_keeps_free_their_disk_and_leave_its_data(platform: Platform) -> None:
    def files(number: int) -> dict[str, str]:
        made = platform.web_app()
        return {**made, "number": str(number), "app.toml": f"keep_releases = 2\n{made['app.toml']}"}

    home: Path = platform.ctx.home
    folder = home / "data/apps/demo/hello"
    await platform.deploy("hello", files(1))
    (folder / "data/votes").write_text("kept")
    first = await platform.release("hello", 1)
    os.utime(platform.blobs.path(first.blob), (0, 0))
    for number in (2, 3, 4):
        await platform.deploy("hello", files(number))
    await prune.sweep(platform.work("hello"), patient=True)  # a build does not wait for what still drains
    assert sorted(path.name for path in (folder / "releases").iterdir()) == ["2", "3", "4"], (
        "2 is what would be gone back to"
    )
    assert not platform.blobs.path(first.blob).exists()
    with pytest.raises(NotFoundError):
        await platform.release("hello", 1)
    assert (folder / "data/votes").read_text() == "kept"
    await platform.ctx.bus.call("apps.wake", {"tenant": "demo", "app": "hello", "release": 3})
    await removal.delete_release(platform.store, platform.site, WHO, "demo", "hello", 3)
    assert await prune.sweep(platform.work("hello"), patient=True) == 0, "it is kept for a week"
    kept = await trash.find(platform.store, "demo", "hello.3", what="release")
    async with asyncio.timeout(30):
        while (folder / "releases/3").exists():
            await folders.purge(platform.work("hello"), kept.name)
    assert sorted(path.name for path in (folder / "releases").iterdir()) == ["2", "4"]
    await platform.until("hello", {"hello.4.web.0": "ready"})
    assert (folder / "data/votes").read_text() == "kept"
