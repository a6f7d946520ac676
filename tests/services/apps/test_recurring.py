"""Recurring commands become Schedules with the switch that makes their release live, and go with it."""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING

import pytest

from serai.cloud.descriptors import Instance
from serai.services.apps import actions, recurring, removal, switching
from serai.services.apps.addresses import Site
from serai.services.apps.descriptors import KINDS, App, Recurring, Release
from serai.services.apps.picture import Picture
from serai.store import Delete, NewTask, Put, Record, Store, Transaction
from serai.store.open import open_store
from serai.tasks import Tasks
from serai.tasks.clock import TaskClock
from serai.tasks.schedule import Schedule, new_task

if TYPE_CHECKING:
    from tests.services.apps.conftest import Platform

SWEEP = Recurring(argv=("./sweep",), when="0 3 * * *", zone="Europe/Berlin", timeout=30)


def picture(live: dict[str, int], *schedules: Record[Schedule], **commands: Recurring) -> Picture:
    app = Record(App.KIND, "demo", "hello", 1, 1, App(host="here", live=live))
    release = Release(app="hello", number=3, blob="", created=0, recurring=commands)
    return Picture(
        site=Site("here", "localhost"),
        tenant="demo",
        app=app,
        releases={3: Record(Release.KIND, "demo", "hello.3", 1, 1, release)},
        instances=list[Record[Instance]](),
        domains=[],
        routes={},
        schedules={record.name: record for record in schedules},
    )


def kept(name: str, spec: Schedule) -> Record[Schedule]:
    return Record(Schedule.KIND, "demo", name, 7, 1, spec)


def test_what_recurs_in_the_live_release_is_a_schedule_of_the_apps_host() -> None:
    [(name, spec)] = recurring.wanted(picture({"prod": 3}, sweep=SWEEP)).items()
    assert name == "hello.recurring.sweep"
    assert Schedule.NAME.fullmatch(name)
    assert (spec.when, spec.zone, spec.missed) == ("0 3 * * *", "Europe/Berlin", "never")
    assert (spec.function, spec.queue, spec.deadline) == ("apps.run", "host:here", 90.0)
    assert spec.arguments == {"tenant": "demo", "app": "hello", "release": 3, "command": "sweep"}
    spec.check()


async def test_a_command_slower_than_its_interval_neither_overlaps_nor_piles_up() -> None:
    slow = Recurring(argv=("./slow",), when="every 60s", timeout=3600)
    [(name, spec)] = recurring.wanted(picture({"prod": 3}, slow=slow)).items()
    store = open_store("memory:", kinds=KINDS)
    try:
        made = [await due(store, new_task(kept(name, spec), time)) for time in (60, 120, 180)]
        assert len(set(made)) == 1, "while one waits or runs, there is no other"
        await Tasks(store).cancel("user:test", made[0])
        assert await due(store, new_task(kept(name, spec), 240)) not in made
    finally:
        await store.close()


async def due(store: Store, task: NewTask) -> str:
    """Insert a task as the clock does; return its ID, or that of the one that is there."""
    return (await store.apply(Transaction("system", "due", (task,)))).tasks[0]


def test_only_prod_has_schedules() -> None:
    assert recurring.wanted(picture({"staging": 3}, sweep=SWEEP)) == {}
    assert recurring.wanted(picture({}, sweep=SWEEP)) == {}


def test_schedules_are_written_where_they_differ_and_removed_where_nothing_wants_them() -> None:
    [first] = recurring.changes(picture({"prod": 3}, sweep=SWEEP))
    assert isinstance(first, Put)
    assert isinstance(first.spec, Schedule)
    assert list(recurring.changes(picture({"prod": 3}, kept(first.name, first.spec), sweep=SWEEP))) == []
    old = kept("hello.recurring.old", first.spec)
    assert list(recurring.changes(picture({"prod": 3}, old))) == [Delete("schedule", "demo", "hello.recurring.old", 7)]


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
async def test_schedules_come_and_go_with_the_live_release(platform: Platform) -> None:
    more = "[[schedule]]\nname = 'sweep'\ncommand = 'sh -c \"echo swept >> /data/seen\"'\nevery_seconds = 1\n"
    await platform.deploy("hello", platform.web_app(more=more))
    [schedule] = await platform.store.find(Schedule, "demo")
    assert schedule.spec.arguments["release"] == 1
    clock = TaskClock(platform.store)
    await clock.insert_due()
    before = time.time()
    while clock.inserted == 0:
        assert time.time() - before < 10
        await asyncio.sleep(0.1)
        await clock.insert_due()
    await platform.deploy("hello", platform.web_app())
    assert await platform.store.find(Schedule, "demo") == []
    rollout = await actions.rollback(platform.store, "user:test", "demo", "hello")
    await switching.switch(platform.work("hello"), rollout.release, "prod")
    assert len(await platform.store.find(Schedule, "demo")) == 1
    await removal.delete_app(platform.store, platform.site, "user:test", "demo", "hello", confirm="hello")
    assert await platform.store.find(Schedule, "demo") == []
