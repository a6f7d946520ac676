"""Channels, limits, providers, schedules: what holds tasks back, and what makes them."""

from __future__ import annotations

from typing import Any

import pytest
from browsing import forms

from serai.tasks import Tasks
from serai.tasks.schedule import Schedule

CHANNEL = "demo/shop/mail <b>"


async def test_a_channel_is_paused_and_resumed(house: Any) -> None:
    browser = await house.visitor("ada", ("demo", "developer"))
    path = "/tenants/demo/tasks/channels"
    page = await browser.get(path)
    page = await browser.follow(await browser.submit(page, {"name": CHANNEL, "why": "moving"}, action=path))
    assert [one.channel for one in await Tasks(house.store).pauses()] == [CHANNEL]
    assert "mail &lt;b&gt;" in page.text
    page = await browser.follow(await browser.post(path, {**hidden(page), "name": CHANNEL, "verb": "resume"}))
    assert "None: all channels go on" in page.text


async def test_what_is_refused_is_shown_with_what_was_typed(house: Any) -> None:
    browser = await house.visitor("ada", ("demo", "developer"))
    path = "/tenants/demo/tasks/channels"
    page = await browser.get(path)
    answer = await browser.submit(page, {"name": "other/shop/x", "why": "mine now"}, action=path)
    assert answer.status_code in {403, 404}
    assert "mine now" in answer.text
    answer = await browser.post(path, {**hidden(page), "name": "a", "verb": "explode"})
    assert answer.status_code == 400
    assert await Tasks(house.store).pauses() == []


async def test_a_limit_is_set_and_ended_by_the_platforms_people(house: Any) -> None:
    browser = await house.visitor("ops", ("", "operator"))
    page = await browser.get("/tasks/channels")
    rule = {"scope": "tenant", "name": "demo", "most": "3"}
    page = await browser.follow(await browser.submit(page, rule, action="/tasks/limits"))
    assert [(one.name, one.rule.most) for one in await Tasks(house.store).limits()] == [("demo", 3)]
    answer = await browser.post("/tasks/limits", {**hidden(page), "scope": "tenant", "name": "demo", "most": "-1"})
    assert answer.status_code == 400
    page = await browser.post("/tasks/limits", {**hidden(page), "scope": "tenant", "name": "demo"})
    assert "The limit of demo is ended." in (await browser.follow(page)).text
    assert await Tasks(house.store).limits() == []


async def test_a_provider_is_declared_down_and_up(house: Any) -> None:
    browser = await house.visitor("ops", ("", "operator"))
    page = await browser.get("/tasks/providers")
    assert "No provider was ever down" in page.text
    page = await browser.follow(await browser.submit(page, {"name": "stripe", "why": "they say so"}))
    assert "they say so" in page.text
    page = await browser.follow(
        await browser.post("/tasks/providers", {**hidden(page), "name": "stripe", "verb": "up"})
    )
    assert [one.state for one in await Tasks(house.store).providers()] != ["down"]
    # The table has a button for what is resuming: down again. It stands before the form for any other one.
    down = next(one for one in forms(page.text) if one.fields.get("verb") == "down" and one.fields["name"] == "stripe")
    await browser.follow(await browser.post(down.action, down.fields))
    assert [one.state for one in await Tasks(house.store).providers()] == ["down"]


async def test_a_schedule_is_shown_run_paused_and_resumed(house: Any) -> None:
    spec = Schedule(when="0 3 * * *", function="shop:nightly", app="shop")
    await house.store.put("user:root", "test", "demo", "nightly", spec)
    browser = await house.visitor("ada", ("demo", "owner"))
    page = await browser.get("/tenants/demo/tasks/schedules")
    assert "/tenants/demo/tasks/schedules/nightly" in page.text
    path = "/tenants/demo/tasks/schedules/nightly"
    page = await browser.get(path)
    page = await browser.follow(await browser.submit(page, {}, action=f"{path}/pause"))
    assert (await house.store.get(Schedule, "demo", "nightly")).spec.paused
    page = await browser.follow(await browser.submit(page, {}, action=f"{path}/resume"))
    page = await browser.get("/tenants/demo/tasks/schedules")
    answer = await browser.submit(page, {}, action=f"{path}/pause")
    assert answer.headers["location"] == "/tenants/demo/tasks/schedules"
    page = await browser.follow(answer)
    page = await browser.follow(await browser.submit(page, {}, action=f"{path}/run"))
    assert "run by hand" in page.text
    page = await browser.get(path)
    assert ">shop:nightly</a>" in page.text, "its tasks are listed"
    assert "paused" in page.text


@pytest.mark.parametrize("page", ["channels", "providers", "schedules"])
async def test_strangers_see_nothing(house: Any, page: str) -> None:
    browser = await house.visitor("eve", ("other", "owner"))
    foreign = await browser.get(f"/tenants/demo/tasks/{page}")
    missing = await browser.get(f"/tenants/nowhere/tasks/{page}")
    assert foreign.status_code == missing.status_code
    assert foreign.status_code in {403, 404}


def hidden(page: Any) -> dict[str, str]:
    return {"csrf": page.text.partition('name="csrf" value="')[2].partition('"')[0]}
