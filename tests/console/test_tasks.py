"""Tasks on pages: seen, narrowed, followed, canceled, run again."""

from __future__ import annotations

from typing import Any

import pytest

from serai.store.contract import NewTask
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
    assert "<script>alert" not in page.text
    answer = await browser.submit(page, {"why": HOSTILE}, action=f"/tasks/{task}/cancel")
    page = await browser.follow(answer)
    assert "The task is canceled." in page.text
    assert "<script>alert" not in page.text
    assert "user:ada" in page.text
    page = await browser.follow(await browser.submit(page, {}, action=f"/tasks/{task}/retry"))
    assert "runs again" in page.text
    assert (await tasks.get(task)).state == "to_do"


async def test_somebody_who_may_only_look_is_offered_nothing_and_refused(house: Any) -> None:
    tasks = Tasks(house.store, house.api.ctx.bus)
    task = await tasks.add("user:test", NewTask(function="f", tenant="demo"))
    browser = await house.visitor("vic", ("demo", "viewer"))
    page = await browser.get(f"/tasks/{task}")
    assert page.status_code == 200
    assert "/cancel" not in page.text
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
