"""An app's data, what was deleted of it, and what recurs for it."""

from __future__ import annotations

import time
from typing import Any

from browsing import unclean

from serai.identity.descriptors import Tenant
from serai.services.apps.descriptors import App, Process, Release, Trash
from serai.store import Delete
from serai.tasks.schedule import Schedule

HOME = "/tenants/demo/apps/shop"
PAGE = f"{HOME}/data"
KEPT = "shop.2.00112233"


async def some(house: Any, role: str = "owner") -> Any:
    put, now = house.store.put, time.time()
    await put("user:root", "test", "demo", "demo", Tenant(uid=1))
    await put("user:root", "test", "demo", "shop", App(host="test", live={"prod": 3}, next_release=4))
    release = Release(app="shop", number=3, blob="", created=1.0, state="live", processes={"web": Process(argv=("x",))})
    await put("user:root", "test", "demo", "shop.3", release)
    await put("user:root", "test", "demo", "shop.2", Release(app="shop", number=2, blob="", created=1.0))
    version = (await house.store.get(Release, "demo", "shop.2")).version
    await house.store.change("user:root", "test", [Delete("release", "demo", "shop.2", version)])
    fields = {"app": "shop", "host": "test", "deleted": now, "until": now + 600000, "data": False}
    gone = Trash(what="release", who="user:<b>eve", versions={"release/shop.2": version}, **fields)
    await put("user:root", "test", "demo", KEPT, gone)
    await put("user:root", "test", "demo", "shop.44556677", Trash(who="user:bob", **fields))
    await put("user:root", "test", "demo", "shopping.44556677", Trash(who="user:bob", **{**fields, "app": "shopping"}))
    return await house.visitor("ada", ("demo", role))


async def test_a_deleted_release_is_had_back(house: Any) -> None:
    browser = await some(house)
    page = await browser.get(PAGE)
    assert "Release 2" in page.text
    assert "&lt;b&gt;eve" in page.text
    assert "An earlier shop" in page.text
    assert "shopping" not in page.text
    assert "1.0 GiB" in page.text
    assert unclean(page.text) == []
    page = await browser.follow(await browser.submit(page, {"number": "2"}, action=f"{PAGE}/undelete"))
    assert "Release 2 is back" in page.text
    assert (await house.store.get(Release, "demo", "shop.2")).spec.number == 2
    page = await browser.submit(page, {"trash": "shop.9.00112233", "repeat": "shop"}, action=f"{PAGE}/purge")
    assert page.status_code == 404


async def test_what_is_kept_is_ended_with_the_name(house: Any) -> None:
    browser = await some(house)
    page = await browser.get(PAGE)
    answer = await browser.submit(page, {"trash": KEPT, "repeat": "sho"}, action=f"{PAGE}/purge")
    assert answer.status_code == 400
    assert "still kept" in answer.text
    page = await browser.submit(page, {"trash": KEPT, "repeat": "shop"}, action=f"{PAGE}/purge")
    page = await browser.follow(page)
    assert "It ends now" in page.text


async def test_what_recurs_is_shown_and_run(house: Any) -> None:
    browser = await some(house, "developer")
    assert "Nothing recurs for this app" in (await browser.get(f"{HOME}/recurring")).text
    for name, app in (("shop.recurring.clean", "shop"), ("shop.task.<b>mail", "shop"), ("shop.other", "blog")):
        schedule = Schedule(when="0 3 * * *", function="apps.once", app=app)
        await house.store.put("user:root", "test", "demo", name.replace("<b>", "b-"), schedule)
    page = await browser.get(f"{HOME}/recurring")
    assert ">clean</a>" in page.text
    assert ">b-mail</a>" in page.text
    assert ">other</a>" not in page.text
    assert "from now" in page.text
    assert unclean(page.text) == []
    action = "/tenants/demo/tasks/schedules/shop.recurring.clean/run"
    page = await browser.follow(await browser.submit(page, {}, action=action))
    assert "apps.once" in page.text


async def test_who_may_only_look_is_offered_nothing_and_strangers_learn_nothing(house: Any) -> None:
    viewer = await some(house, "viewer")
    for path in (PAGE, f"{HOME}/recurring"):
        page = await viewer.get(path)
        assert page.status_code == 200
        assert 'method="post" action="/tenants' not in page.text
    assert (await viewer.get(f"{HOME}s/recurring")).status_code == 404
    stranger = await house.visitor("eve", ("other", "owner"))
    for path in (PAGE, f"{HOME}/recurring"):
        answers = [(await stranger.get(one)).status_code for one in (path, path.replace("/shop/", "/none/"))]
        assert answers[0] == answers[1]
