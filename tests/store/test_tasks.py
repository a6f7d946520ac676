"""Rows of tasks: the conformance suite on both engines, a model against the other, and flat claims."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from serai.errors import InternalError
from serai.store.contract import NewTask
from serai.store.embedded.migrate import migrate, shipped
from serai.store.embedded.tasks import ROWS as embedded
from serai.store.open import open_store
from serai.store.tasks import Finish, Want
from serai.store.tasks_conformance import TaskConformance
from serai.store.tasks_rules import new_id, settle
from serai.tasks import Tasks


class TestEmbedded(TaskConformance):
    @pytest.fixture
    async def driver(self, tmp_path: Path):
        store = open_store(tmp_path / "store.db")
        yield store.driver
        await store.close()


class TestMemory(TaskConformance):
    @pytest.fixture
    async def driver(self):
        store = open_store("memory:")
        yield store.driver
        await store.close()


def database() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    migrate(connection, shipped(), 0.0)
    return connection


def test_statements_of_a_claim_use_an_index_and_sort_nothing() -> None:
    cursor = database().cursor()
    seen: list[str] = []
    embedded.enlist(cursor, "b", ("any",), now=0.0)
    embedded.insert(cursor, NewTask(function="f", channel="c", tenant="t", key="k"), who="x", now=0.0)
    second = embedded.insert(cursor, NewTask(function="f", channel="c", tenant="t"), who="x", now=0.0)
    cursor.connection.set_trace_callback(seen.append)
    want = Want(queues=("any",), slots=2, known=frozenset({"f"}))
    [task] = embedded.exchange(cursor, "b", [], want, now=1.0).claimed
    embedded.exchange(cursor, "b", [Finish(number=task.number, run=1, state="done")], want, now=2.0)
    embedded.insert(cursor, NewTask(function="f", channel="c", tenant="t", key="k"), who="x", now=3.0)
    embedded.cancel(cursor, second, who="x", why="", now=3.0)
    embedded.beat(cursor, "b")
    cursor.connection.set_trace_callback(None)
    checked = 0
    for statement in {text for text in seen if "task" in text and not text.startswith("-- ")}:
        for row in cursor.execute(f"EXPLAIN QUERY PLAN {statement}").fetchall():
            detail = row[3]
            free = any(word in detail for word in ("json_each", "VIRTUAL TABLE", "CONSTANT", "task_gate"))
            scans = detail.startswith("SCAN") and not free
            assert not scans, f"{statement}: {detail}"
            assert "FOR ORDER BY" not in detail, f"{statement}: {detail}"
            checked += 1
    assert checked > 10


def test_a_claim_looks_past_few_tasks_that_it_has_no_room_for() -> None:
    cursor = database().cursor()
    embedded.enlist(cursor, "b", ("any",), now=0.0)
    for _ in range(500):
        embedded.insert(cursor, NewTask(function="short"), who="x", now=0.0)
    last = embedded.insert(cursor, NewTask(function="long"), who="x", now=0.0)
    want = Want(queues=("any",), slots=1, short=frozenset({"short"}))
    assert embedded.exchange(cursor, "b", [], want, now=0.0).claimed == []
    assert embedded.get(cursor, last).state == "to_do"


def test_what_code_that_does_not_count_left_behind_is_set_right_once() -> None:
    cursor = database().cursor()
    for name in ("a", "a", "b"):
        embedded.insert(cursor, NewTask(function="f", tenant="t", app=name), who="x", now=0.0)
    cursor.execute("UPDATE task_count SET waiting = 9 WHERE app = 'a'")
    cursor.execute("DELETE FROM task_count WHERE app = 'b'")
    cursor.execute("INSERT INTO task_count (tenant, app, waiting) VALUES ('t', 'gone', 7)")
    found = embedded.miscounted(cursor)
    assert {(one.app, one.by) for one in found} == {("a", -7), ("b", 1), ("gone", -7)}
    embedded.insert(cursor, NewTask(function="f", tenant="t", app="a"), who="x", now=0.0)
    for _ in range(2):  # two clocks saw the same
        embedded.recount(cursor, found)
    assert [embedded.waiting(cursor, "t", app, 100) for app in ("a", "b", "gone", "")] == [3, 1, 0, 4]
    assert [(one.app, one.by) for one in embedded.miscounted(cursor)] == [("gone", 0)]
    embedded.recount(cursor, embedded.miscounted(cursor))
    assert embedded.miscounted(cursor) == []


def test_only_a_bots_moves_settle_a_finish() -> None:
    assert settle("is_processing", Finish(number=1, run=1, state="canceled")) == "to_do"
    assert settle("to_cancel", Finish(number=1, run=1, state="to_do")) == "canceled"
    with pytest.raises(InternalError):
        settle("done", Finish(number=1, run=1, state="done"))


def test_ids_are_version_7_and_sort_by_time() -> None:
    ids = [new_id(now) for now in (1.0, 2.0, 1e9, 2e9)]
    assert ids == sorted(ids)
    assert all(len(i) == 36 and i[14] == "7" and i[19] in "89ab" for i in ids)


async def test_what_holds_tasks_back_outlasts_the_process(tmp_path: Path) -> None:
    store = open_store(tmp_path / "store.db")
    tasks = Tasks(store)
    for fields in ({"channel": "c"}, {"provider": "p"}, {"tenant": "t"}):
        await tasks.add("user:x", NewTask(function="f", **fields))
    await tasks.pause("user:x", "c", "it moves")
    await tasks.provider_down("user:x", "p", "they said so")
    await tasks.limit("user:x", "tenant", "t", rate=1e-6, why="slowly")
    before = [await tasks.pauses(), await tasks.providers(), await tasks.limits()]
    await store.close()
    store = open_store(tmp_path / "store.db")
    tasks = Tasks(store)
    assert [await tasks.pauses(), await tasks.providers(), await tasks.limits()] == before
    rows = store.driver.tasks
    await store.driver.write(lambda tx: rows.enlist(tx, "b", ("any",), now=1e6))
    want = Want(queues=("any",), slots=10)
    got = await store.driver.write(lambda tx: rows.exchange(tx, "b", [], want, now=1e6))
    assert [task.tenant for task in got.claimed] == ["t"]
    await store.close()
