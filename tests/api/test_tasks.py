"""Tasks at the API: live streams, names with slashes, and the same answer for what is foreign and what is not there."""

from __future__ import annotations

import asyncio
import contextlib
import json
import queue
from typing import Any

import pytest

from serai.errors import ExhaustedError, NotFoundError, SeraiError
from serai.identity import Grant, Principal
from serai.identity.descriptors import Tenant
from serai.store.contract import NewTask
from serai.store.tasks import Finish, Note, Want
from serai.tasks import Tasks
from serai.tasks.schedule import Schedule


class Bot:
    """Claims, reports and ends tasks as a bot does, and says so on the bus."""

    def __init__(self, api: Any) -> None:
        self.store, self.bus = api.store, api.ctx.bus
        self.rows, self.driver = api.store.driver.tasks, api.store.driver

    async def claim(self) -> Any:
        await self.driver.write(lambda tx: self.rows.enlist(tx, "bot", ("any",), now=1.0))
        want = Want(queues=("any",), slots=1)
        got = await self.driver.write(lambda tx: self.rows.exchange(tx, "bot", [], want, now=2e9))
        return await self.told(got.claimed[0])

    async def report(self, task: Any, progress: float, *lines: str) -> None:
        note = Note(number=task.number, run=task.run, progress=progress, lines=tuple((1.0, line) for line in lines))
        await self.driver.write(lambda tx: self.rows.note(tx, "bot", [note]))
        await self.told(task)

    async def end(self, task: Any) -> None:
        finish = Finish(number=task.number, run=task.run, state="done")
        await self.driver.write(lambda tx: self.rows.exchange(tx, "bot", [finish], Want(queues=()), now=2e9))
        await self.told(task)

    async def told(self, task: Any) -> Any:
        await self.bus.publish("tasks.changed", [task.id])
        return task


def collect(api: Any, path: str) -> queue.Queue[Any]:
    """Follow a stream in a thread; its events come by the queue."""
    events: queue.Queue[Any] = queue.Queue()

    def run() -> None:
        with contextlib.suppress(SeraiError):
            for event in api.client.events(path):
                events.put(event)
        events.put(None)

    asyncio.get_running_loop().run_in_executor(None, run)
    return events


async def following(events: queue.Queue[Any]) -> Any:
    return await asyncio.to_thread(events.get, True, 10)


async def test_a_task_is_watched_with_its_log_to_its_end(api: Any) -> None:
    task = await Tasks(api.store, api.ctx.bus).add("user:test", NewTask(function="f"))
    events = collect(api, f"/v1/tasks/{task}/watch")
    assert (await following(events))[2]["state"] == "to_do"
    bot = Bot(api)
    claimed = await bot.claim()
    assert (await following(events))[2]["state"] == "is_processing"
    await bot.report(claimed, 0.5, "one", "two")
    kinds = [await following(events) for _ in range(3)]
    assert [(kind, data.get("text") or data.get("progress")) for kind, _, data in kinds] == [
        ("line", "one"), ("line", "two"), ("task", 0.5),
    ]  # fmt: skip
    await bot.end(claimed)
    assert (await following(events))[2]["state"] == "done"
    assert (await following(events))[0] == "end"
    assert await following(events) is None


async def test_all_tasks_are_watched_by_events(api: Any) -> None:
    tasks = Tasks(api.store, api.ctx.bus)
    first = await tasks.add("user:test", NewTask(function="f"))
    await tasks.add("user:test", NewTask(function="g", tenant="other"))
    events = collect(api, "/v1/tasks/watch?function=f")
    assert (await following(events))[2]["id"] == first
    second = await tasks.add("user:test", NewTask(function="f"))
    told = await following(events)
    assert (told[0], told[2]["id"], told[2]["state"]) == ("task", second, "to_do")
    await tasks.cancel("user:test", second)
    assert (await following(events))[2]["state"] == "canceled"
    api.nudge.close()
    assert await following(events) is None


async def test_a_stream_that_nobody_reads_holds_no_memory(api: Any) -> None:
    tasks = Tasks(api.store, api.ctx.bus)
    reader, writer = await asyncio.open_unix_connection(api.path, limit=1024)
    writer.write(b"GET /v1/tasks/watch HTTP/1.1\r\nHost: x\r\n\r\n")
    await writer.drain()
    await reader.readuntil(b"\r\n\r\n")
    names = [await tasks.add("user:test", NewTask(function="f", arguments={"x": "y"})) for _ in range(300)]
    for name in names:
        await api.ctx.bus.publish("tasks.changed", [name] * 100)
    assert (await api.call("GET", "/v1/tasks?limit=1"))["items"][0]["id"] == names[-1]
    writer.close()


async def test_what_is_foreign_answers_like_what_is_not_there(api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    tasks = Tasks(api.store)
    theirs = await tasks.add("user:test", NewTask(function="jobs:f", tenant="theirs", app="shop"))
    mine = await tasks.add("user:test", NewTask(function="jobs:f", tenant="mine", app="shop"))
    blog = await tasks.add("user:test", NewTask(function="jobs:f", tenant="mine", app="blog"))
    owner = Principal(kind="user", name="ada", grants=(Grant("owner", "mine", "shop"),))
    monkeypatch.setattr("serai.api.entrance.local_principal", lambda _peer, _owner: owner)
    assert (await api.call("GET", f"/v1/tasks/{mine}"))["app"] == "shop"
    assert [one["id"] for one in (await api.call("GET", "/v1/apps/mine/shop/tasks"))["items"]] == [mine]
    said = set()
    for name in (theirs, blog, "nothing", "a%2Fb"):
        for method, verb in (("GET", ""), ("GET", "/story"), ("GET", "/log"), ("GET", "/watch"), ("POST", "/cancel")):
            with pytest.raises(NotFoundError) as refused:
                await api.call(method, f"/v1/tasks/{name}{verb}")
            said.add(refused.value.public)
    for method, path in (
        ("POST", "/v1/channels/theirs%2Fshop%2Fmail/pause"),
        ("POST", "/v1/channels/platform/pause"),
        ("POST", "/v1/providers/theirs%2Fshop%2Fbank/down"),
        ("POST", "/v1/providers/bank/down"),
        ("GET", "/v1/channels"),
        ("GET", "/v1/limits?tenant=theirs"),
        ("POST", "/v1/schedules/theirs/x/run"),
        ("GET", "/v1/tasks/watch"),
        ("GET", "/v1/apps/mine/blog/tasks"),
    ):
        with pytest.raises(NotFoundError) as refused:
            await api.call(method, path)
        said.add(refused.value.public)
    assert said == {"Nothing has that name."}
    assert (await tasks.get(theirs)).state == "to_do"


async def test_a_developer_can_not_write_a_schedule_of_any_function(api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    developer = Principal(kind="user", name="ada", grants=(Grant("developer", "mine"),))
    monkeypatch.setattr("serai.api.entrance.local_principal", lambda _peer, _owner: developer)
    spec = {"when": "@daily", "function": "apps.remove", "arguments": {"tenant": "theirs", "app": "shop"}}
    for method, path, body in (
        ("PUT", "/v1/schedule/mine/x", spec),
        ("POST", "/v1/tasks?tenant=mine", {"function": "apps.remove", "tenant": "mine"}),
        ("PUT", "/v1/limits/tenant/mine?tenant=mine", {"most": 1000}),
    ):
        with pytest.raises(SeraiError) as refused:
            await api.call(method, path, body)
        assert refused.value.code in {"denied", "not_found"}, json.dumps(body)


async def test_what_of_a_quota_is_used_can_be_seen(api: Any) -> None:
    await api.call("POST", "/v1/tenants", {"name": "mine", "tasks": 3})
    tasks = Tasks(api.store)
    for app in ("", "shop", "blog"):
        await tasks.add("user:x", NewTask(function="jobs:f", tenant="mine", app=app))
    assert await api.call("GET", "/v1/tenants/mine/usage") == {"tasks_waiting": 2, "tasks": 3}
    with pytest.raises(NotFoundError):
        await api.call("GET", "/v1/tenants/theirs/usage")


async def test_what_operators_insert_for_an_app_is_refused_where_no_more_may_wait(api: Any) -> None:
    api.store.kinds.add(Tenant)
    await api.store.put("x", "", "demo", "demo", Tenant(uid=1, tasks=1))
    body = {"function": "apps.prune", "tenant": "demo", "app": "shop"}
    await api.call("POST", "/v1/tasks", body)
    with pytest.raises(ExhaustedError, match="All applications of demo have 1 tasks that wait, and may have 1") as full:
        await api.call("POST", "/v1/tasks", body)
    assert full.value.fields["quota"] == "tasks"
    await api.call("POST", "/v1/tasks", {"function": "nothing.of.an.app", "tenant": "demo"})
    plan = Schedule(when="@daily", function="jobs:f", app="shop")
    await api.store.put("x", "", "demo", "shop.nightly", plan)
    with pytest.raises(ExhaustedError):
        await api.call("POST", "/v1/schedules/demo/shop.nightly/run")
