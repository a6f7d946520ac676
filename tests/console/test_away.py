"""The store away: pages show what is known and how old that is, or say what can't be shown; nothing typed is lost.

Pages are found by their routes and forms by the pages, so one that is added is looked at here without being named.
"""

from __future__ import annotations

import html
import re
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from browsing import Browser, Found, forms, unclean
from consoling import House, consoling
from losing import Losable
from places import NAMES, filled, patterns

from serai.cloud.descriptors import Instance
from serai.identity.people import CustomRole, Token
from serai.identity.principals import Scope
from serai.services.apps.descriptors import App, Process, Release
from serai.store.contract import NewTask
from serai.tasks import Tasks
from serai.tasks.schedule import Schedule

#: Pages that are made of what is in the store alone, of which no host has a copy: tasks and what holds them, the past.
NOT_COPIED = {
    "/audit",
    "/audit/refusals",
    "/kinds/{kind:str}/{tenant:str}/{name:str}/history",
    "/tasks",
    "/tasks/channels",
    "/tasks/providers",
    "/tasks/{task:str}",
    "/tenants/{tenant:str}/audit",
    "/tenants/{tenant:str}/audit/refusals",
    "/tenants/{tenant:str}/tasks",
    "/tenants/{tenant:str}/tasks/channels",
    "/tenants/{tenant:str}/tasks/providers",
}
FOR_NOBODY = {"/join", "/reset"}
NOTICE = re.compile(
    r'<p class="notice warn">The platform\u2019s store does not answer now\. This is how things were on <time'
)
TYPED = "typed by hand"
#: Forms that change nothing of the platform's.
OWN = {"/theme", "/sign-out"}


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Losable]:
    made = Losable(tmp_path)
    yield made
    await made.close()


@pytest.fixture
async def town(tmp_path: Path, place: Losable) -> AsyncIterator[House]:
    async with consoling(tmp_path, place=place) as house:
        await furnish(house)
        yield house


async def furnish(house: House) -> None:
    """Let there be something of everything that a page is about."""
    await house.api.call("POST", "/v1/tenants", {"name": "acme"})
    await house.api.person("ben", ("acme", "owner"))
    app = App(host="test", next_release=3, live={"prod": 2}, before={"prod": (1,)})
    puts: dict[str, Any] = {"shop": app, "shop.2.web.0": Instance(app="shop", release=2, host="test", state="ready")}
    for number in (1, 2):
        puts[f"shop.{number}"] = Release(
            app="shop", number=number, blob="0" * 64, created=time.time(), who="user:ben", built=1.0, state="built",
            runtime="python3.11", processes={"web": Process(argv=("run",), memory_mb=128)},
        )  # fmt: skip
    puts["releaser"] = CustomRole(actions=("app.promote",))
    puts["deploys"] = Token(user="ben", digest="0" * 64, created=1.0, scope=Scope())
    puts["nightly"] = Schedule(when="0 3 * * *", function="shop:nightly", app="shop")
    for name, spec in puts.items():
        await house.store.put("user:root", "test", "acme", name, spec)


async def pages(house: House) -> dict[str, str]:
    """Return what to ask for, by pattern."""
    task = await Tasks(house.store, house.api.ctx.bus).add("user:root", NewTask(function="acme.work", tenant="acme"))
    schedule = "/tenants/{tenant:str}/tasks/schedules/{name:str} name"
    return filled(patterns(), {**NAMES, "task": task, schedule: "nightly"})


async def test_nothing_remembered_pages_show_the_copy_or_say_what_is_missing(town: House, place: Losable) -> None:
    browser, asked = await town.visitor("ada", ("", "operator")), await pages(town)
    await place.lose()
    await browser.get("/apps")  # whoever asks first finds out
    faults, missing = [], set()
    for pattern, path in asked.items():
        page = await browser.get(path)
        missing |= {pattern} if page.status_code == 503 else set()
        faults += [f"{path}: {fault}" for fault in told(page, whole=pattern not in FOR_NOBODY)]
    assert faults == []
    assert missing == NOT_COPIED, "a page that is made of descriptors shows the last known ones"


async def test_after_a_visit_every_page_shows_what_it_showed_and_all_is_new_once_the_store_is_back(
    town: House, place: Losable
) -> None:
    browser, asked = await town.visitor("ada", ("", "operator")), await pages(town)
    before = {path: (await browser.get(path)).status_code for path in asked.values()}
    assert set(before.values()) == {200}, before
    await place.lose()
    await browser.get("/tasks")
    faults = []
    for pattern, path in asked.items():
        page = await browser.get(path)
        faults += [f"{path}: {page.status_code}"] if page.status_code != 200 else []
        faults += [f"{path}: {fault}" for fault in told(page, whole=pattern not in FOR_NOBODY)]
    assert faults == []
    await place.find_again()
    for path in asked.values():
        page = await browser.get(path)
        assert page.status_code == 200, path
        assert not NOTICE.search(page.text), path
        assert "serai-as-of" not in page.headers, path


async def test_a_tenants_people_are_told_as_well_and_not_where_the_store_is(town: House, place: Losable) -> None:
    browser = town.browser()
    await browser.sign_in("ben")
    await place.lose()
    faults = []
    for path in ("/", "/tenants/acme", "/tenants/acme/apps/shop", "/tenants/acme/tasks", "/tenants/acme/audit"):
        page = await browser.get(path)
        faults += [f"{path}: {fault}" for fault in told(page)]
        if page.status_code == 503:
            assert str(place.home) not in page.text, "what to do about it is for operators"
    assert faults == []


def told(page: httpx.Response, *, whole: bool = True) -> Iterator[str]:
    """Yield what is wrong with a page while the store is away."""
    if page.status_code not in {200, 503}:
        yield f"{page.status_code}"
    yield from unclean(page.text)
    if whole and 'aria-label="Main"' not in page.text:
        yield "no navigation"
    if page.status_code == 200 and not (NOTICE.search(page.text) and page.headers.get("serai-as-of")):
        yield "does not say how old it is"
    if page.status_code == 503:
        if not re.search(r"<h2>[^<]+ can\u2019t be shown now</h2>", page.text) or "retry-after" not in page.headers:
            yield "does not say what is missing"
        if NOTICE.search(page.text):
            yield "says how old nothing is"
        if page.text.count("<h1>") != 1 or "<h1></h1>" in page.text:
            yield "has no title"


async def test_a_list_that_was_not_seen_like_this_offers_the_one_that_was(town: House, place: Losable) -> None:
    browser = await town.visitor("ada", ("", "operator"))
    other = town.browser()
    await other.sign_in("ben")
    assert (await browser.get("/tasks?state=error")).status_code == 200
    await place.lose()
    for path in ("/tasks", "/tasks?before=7", "/tasks?state=to_do"):
        page = await browser.get(path)
        assert page.status_code == 503
        assert 'href="/tasks?state=error"' in page.text
    assert (await browser.get("/tasks?state=error")).status_code == 200
    assert "as you saw it last" not in (await other.get("/tenants/acme/tasks")).text


async def test_a_page_that_is_missing_says_where_it_is(town: House, place: Losable) -> None:
    browser = await town.visitor("ada", ("", "operator"))
    await place.lose()
    page = await browser.get("/kinds/app/acme/shop/history")
    assert "<h2>History can\u2019t be shown now</h2>" in page.text
    assert {'href="/kinds"', 'href="/kinds/app"', 'href="/kinds/app/acme/shop"'} <= set(
        re.findall(r'href="/kinds[^"]*"', page.text)
    )
    page = await browser.get("/tenants/acme/audit/refusals")
    assert 'href="/tenants/acme/audit"' in page.text
    assert "<h1>Refusals</h1>" in page.text


async def test_a_task_that_nobody_can_look_for_is_not_said_not_to_be_there(town: House, place: Losable) -> None:
    browser = await town.visitor("ada", ("", "operator"))
    task = await Tasks(town.store, town.api.ctx.bus).add("user:root", NewTask(function="acme.work", tenant="acme"))
    await place.lose()
    assert (await browser.get(f"/search?q={task}")).status_code == 503
    await place.find_again()
    assert "acme.work" in (await browser.get(f"/search?q={task}")).text


async def test_whether_a_page_could_be_had_is_told_without_it(town: House, place: Losable) -> None:
    browser = await town.visitor("ada", ("", "operator"))

    async def again(path: str) -> tuple[int, bool, bool]:
        answer = await browser.get(f"{path}?part=again", hx_request="true")
        return answer.status_code, "serai-as-of" in answer.headers, bool(NOTICE.match(answer.text.strip()))

    assert await again("/apps") == (200, False, False)
    await place.lose()
    assert await again("/apps") == (200, True, True)
    assert (await again("/tasks"))[:2] == (503, True)
    await place.find_again()
    assert await again("/apps") == (200, False, False)
    assert await again("/tasks") == (200, False, False)


async def test_what_is_sent_changes_nothing_and_is_kept(town: House, place: Losable) -> None:
    browser, asked = await town.visitor("ada", ("", "operator")), await pages(town)
    shown = [(path, form) for path in asked.values() for form in forms((await browser.get(path)).text)]
    number = await place.real.last_change()
    await place.lose()
    faults, sent = [], set()
    for path, form in shown:
        pattern = re.sub(r"[^/]*\d[^/]*", "*", form.action)
        if form.method != "post" or form.action in OWN or form.enctype or pattern in sent:
            continue
        sent.add(pattern)
        faults += [f"{path}: {form.action}: {fault}" for fault in await kept(browser, form)]
    assert faults == []
    assert {"/kinds/app/acme/shop", "/tenants/acme/apps/shop/variables", "/tasks/channels"} <= sent
    await place.find_again()
    assert await place.real.last_change() == number


async def kept(browser: Browser, form: Found) -> list[str]:
    """Send a form with something typed into it; return what is wrong with the answer."""
    repeated = {"repeat": "shop"} if "repeat" in form.names else {}
    typed = {name: value or TYPED for name, value in form.fields.items()} | repeated
    page = await browser.post(form.action, typed)
    text = html.unescape(page.text)
    faults = unclean(page.text)
    nothing_to_do = TYPED not in typed.values() and page.status_code == 303  # it was as it was sent
    if (page.status_code < 400 or page.status_code == 500) and not nothing_to_do:
        faults.append(f"{page.status_code}")
    if page.status_code == 503 and "Nothing was changed" not in text:
        faults.append("does not say that nothing was changed")
    hidden = {name for name, _ in form.pairs}
    secret = {"password", "code", "old", "new", "again", "value", "secret"}
    by_hand = {name for name, value in typed.items() if value == TYPED} - hidden - secret
    if page.status_code == 503 and by_hand and TYPED not in text:
        faults.append(f"{by_hand} is lost")
    return faults


async def test_whoever_signs_out_is_out_of_this_browser_at_least(town: House, place: Losable) -> None:
    browser = await town.visitor("ada", ("", "operator"))
    page = await browser.get("/")
    await place.lose()
    answer = await browser.submit(page, {}, action="/sign-out")
    assert answer.status_code == 303
    assert "__Host-serai" not in browser.cookies
    assert "has not ended" in html.unescape((await browser.follow(answer)).text)


async def test_a_host_that_began_without_its_store_says_so_to_everybody(tmp_path: Path) -> None:
    place = Losable(tmp_path)
    await place.real.identity()
    await place.lose()
    async with consoling(tmp_path, place=place) as house:
        browser = house.browser()
        browser.cookies["__Host-serai"] = "some.session"
        page = await browser.get("/")
        assert page.status_code == 503
        assert "<h1>Overview</h1>" in page.text
        assert "can\u2019t be shown now" in page.text
        answer = await browser.post("/sign-in", {"login": "ada", "password": "right"})
        assert answer.status_code == 503
        assert "Nobody can sign in until" in answer.text
    await place.close()
