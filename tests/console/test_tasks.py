"""Tasks on pages: seen, narrowed, followed, canceled, run again."""

from __future__ import annotations

from typing import Any

import pytest
from browsing import token_of

from serai.store.contract import NewTask
from serai.store.tasks import Want
from serai.tasks import Tasks

HOSTILE = '"><script>alert(1)</script>'


async def test_a_list_is_paged_narrowed_and_says_where_there_is_nothing(house: Any) -> None:
    browser = await house.visitor("ada", ("demo", "developer"))
    page = await browser.get("/tenants/demo/tasks")
    assert page.status_code == 200
    assert "No tasks yet" in page.text
    tasks = Tasks(house.store, house.api.ctx.bus)
    for number in range(60):
        await tasks.add("user:test", NewTask(function=f"mod:f{number}", tenant="demo", app="shop"))
    await tasks.add("user:test", NewTask(function="mod:theirs", tenant="other"))
    page = await browser.get("/tenants/demo/tasks")
    assert "mod:f59" in page.text
    assert "mod:f9<" not in page.text
    assert "theirs" not in page.text
    following = next(part for part in page.text.split('href="') if "before=" in part).partition('"')[0]
    assert "mod:f9<" in (await browser.get(following.replace("&amp;", "&"))).text
    page = await browser.get("/tenants/demo/tasks?function=mod%3Af7")
    assert "mod:f7<" in page.text
    assert "mod:f59" not in page.text
    assert "No task is like that" in (await browser.get("/tenants/demo/tasks?state=error")).text
    part = await browser.get("/tenants/demo/tasks?part=tasks", hx_request="true")
    assert part.text.lstrip().startswith("<section")


@pytest.mark.parametrize("query", ["state=nonsense", "before=x", "before=-1"])
async def test_a_list_that_is_asked_for_nonsense_says_so(house: Any, query: str) -> None:
    browser = await house.visitor("ada", ("demo", "developer"))
    page = await browser.get(f"/tenants/demo/tasks?{query}")
    assert 400 <= page.status_code < 500
    assert "<h1>" in page.text


async def test_a_task_shows_its_story_and_is_canceled_and_run_again(house: Any) -> None:
    browser = await house.visitor("ada", ("demo", "developer"))
    tasks = Tasks(house.store, house.api.ctx.bus)
    task = await tasks.add("user:test", NewTask(function=HOSTILE, tenant="demo", arguments={"x": HOSTILE}))
    page = await browser.get(f"/tasks/{task}")
    assert page.status_code == 200
    assert '<a href="/tenants/demo/tasks" aria-current="page">Tasks</a>' in page.text, "it is one of the tenant's pages"
    assert "<script>alert" not in page.text
    answer = await browser.submit(page, {"why": HOSTILE}, action=f"/tasks/{task}/cancel")
    page = await browser.follow(answer)
    assert "The task is canceled." in page.text
    assert "<script>alert" not in page.text
    assert '<td data-head="Who">ada from 192.0.2.7</td>' in page.text
    page = await browser.follow(await browser.submit(page, {}, action=f"/tasks/{task}/retry"))
    assert "runs again" in page.text
    assert (await tasks.get(task)).state == "to_do"


async def test_several_tasks_are_canceled_and_run_again_at_once(house: Any) -> None:
    browser = await house.visitor("ada", ("demo", "developer"))
    tasks = Tasks(house.store, house.api.ctx.bus)
    mine = [await tasks.add("user:test", NewTask(function=f"f{number}", tenant="demo")) for number in range(3)]
    theirs = await tasks.add("user:test", NewTask(function="g", tenant="other"))
    path = "/tenants/demo/tasks"
    page = await browser.get(f"{path}?state=to_do")
    assert page.text.count('name="task"') == 3
    form = {"csrf": token_of(page), "back": f"{path}?state=to_do", "verb": "cancel", "why": "all wrong"}
    chosen = [("task", one) for one in (*mine[:2], theirs)]
    answer = await browser.post(path, [*form.items(), *chosen])
    assert answer.headers["location"] == f"{path}?state=to_do"
    page = await browser.follow(answer)
    assert "2 tasks are canceled, or clean up first. Not so 1:" in page.text
    assert [(await tasks.get(one)).state for one in (*mine, theirs)] == ["canceled", "canceled", "to_do", "to_do"]
    assert (await tasks.story(mine[0]))[-1].why == "all wrong"
    answer = await browser.post(path, [*form.items(), ("task", mine[0]), ("verb", "retry")])
    assert answer.status_code == 400
    form["verb"] = "retry"
    page = await browser.follow(await browser.post(path, [*form.items(), ("task", mine[0])]))
    assert "1 task runs again." in page.text
    assert (await tasks.get(mine[0])).state == "to_do"


async def test_nothing_chosen_nothing_that_can_be_and_too_much_are_refused(house: Any) -> None:
    browser = await house.visitor("ada", ("demo", "developer"))
    task = await Tasks(house.store, house.api.ctx.bus).add("user:test", NewTask(function="f", tenant="demo"))
    path = "/tenants/demo/tasks"
    page = await browser.get(path)
    form = {"csrf": token_of(page), "verb": "retry"}
    for chosen, said in (([], "Choose tasks first."), ([task], "to_do"), (["x"] * 51, "50")):
        answer = await browser.post(path, [*form.items(), *(("task", one) for one in chosen)])
        assert 400 <= answer.status_code < 500
        assert said in answer.text
    page = await browser.follow(await browser.post(path, {**form, "verb": "cancel", "task": task, "back": "//evil"}))
    assert page.url.path == "/"


async def test_what_holds_a_task_back_leads_there_and_can_be_ended(house: Any) -> None:
    browser = await house.visitor("ada", ("demo", "owner"))
    tasks = Tasks(house.store, house.api.ctx.bus)
    await tasks.pause("user:test", "demo/shop/mail", "")
    await tasks.provider_down("user:test", "demo/shop/stripe", "")
    mail = await tasks.add("user:test", NewTask(function="f", tenant="demo", app="shop", channel="demo/shop/mail"))
    pay = await tasks.add("user:test", NewTask(function="g", tenant="demo", app="shop", provider="demo/shop/stripe"))
    page = await browser.get("/tenants/demo/tasks")
    assert 'its channel <a href="/tenants/demo/tasks/channels">demo/shop/mail</a> is paused' in page.text
    assert 'its provider <a href="/tenants/demo/tasks/providers">demo/shop/stripe</a> is down' in page.text
    page = await browser.get(f"/tasks/{mail}")
    answer = await browser.submit(page, {}, action="/tenants/demo/tasks/channels")
    assert answer.headers["location"] == f"/tasks/{mail}"
    assert await tasks.pauses() == []
    answer = await browser.submit(await browser.get(f"/tasks/{mail}"), {}, action="/tenants/demo/tasks/channels")
    assert [one.channel for one in await tasks.pauses()] == ["demo/shop/mail"]
    answer = await browser.submit(await browser.get(f"/tasks/{pay}"), {}, action="/tenants/demo/tasks/providers")
    assert answer.headers["location"] == f"/tasks/{pay}"
    assert [one.state for one in await tasks.providers()] == ["resuming"]


async def test_somebody_who_may_only_look_is_offered_nothing_and_refused(house: Any) -> None:
    tasks = Tasks(house.store, house.api.ctx.bus)
    task = await tasks.add("user:test", NewTask(function="f", tenant="demo"))
    browser = await house.visitor("vic", ("demo", "viewer"))
    page = await browser.get(f"/tasks/{task}")
    assert page.status_code == 200
    assert "/cancel" not in page.text
    assert 'name="task"' not in (await browser.get("/tenants/demo/tasks")).text
    token = page.text.partition('name="csrf" value="')[2].partition('"')[0]
    assert (await browser.post(f"/tasks/{task}/cancel", {"csrf": token})).status_code == 403
    assert (await tasks.get(task)).state == "to_do"


async def test_a_foreign_task_is_one_that_is_not_there(house: Any) -> None:
    tasks = Tasks(house.store, house.api.ctx.bus)
    task = await tasks.add("user:test", NewTask(function="f", tenant="other"))
    browser = await house.visitor("ada", ("demo", "owner"))
    foreign, missing = await browser.get(f"/tasks/{task}"), await browser.get("/tasks/nothing")
    assert foreign.status_code == missing.status_code
    assert foreign.status_code in {403, 404}
    assert (await browser.get("/tasks")).status_code == foreign.status_code


async def test_a_task_that_was_told_to_end_is_not_told_again(house: Any) -> None:
    browser = await house.visitor("ada", ("demo", "developer"))
    task = await Tasks(house.store, house.api.ctx.bus).add("user:test", NewTask(function="f", tenant="demo"))
    driver = house.store.driver
    await driver.write(lambda tx: driver.tasks.enlist(tx, "bot", ["any"], now=1.0))
    want = Want(queues=("any",), slots=1)
    await driver.write(lambda tx: driver.tasks.exchange(tx, "bot", [], want, now=2e9))
    page = await browser.get(f"/tasks/{task}")
    assert f"/tasks/{task}/cancel" in (await browser.get(f"/tasks/{task}?part=actions", hx_request="true")).text
    page = await browser.follow(await browser.submit(page, {"why": ""}, action=f"/tasks/{task}/cancel"))
    assert "to cancel" in page.text
    assert "is told to clean up and end" in page.text
    assert f"/tasks/{task}/cancel" not in page.text
    part = await browser.get(f"/tasks/{task}?part=actions", hx_request="true")
    assert part.status_code == 200
    assert "/cancel" not in part.text
