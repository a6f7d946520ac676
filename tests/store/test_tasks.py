"""Rows of tasks: the conformance suite on both engines, a model against the other, and flat claims."""

from __future__ import annotations

import itertools
import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from serai.errors import ConflictError, InternalError
from serai.store.contract import NewTask
from serai.store.embedded.migrate import migrate, shipped
from serai.store.embedded.tasks import ROWS as embedded
from serai.store.memory.tasks import ROWS as memory
from serai.store.open import open_store
from serai.store.tasks import FINAL, TRANSITIONS, Filter, Finish, Task, Want
from serai.store.tasks_conformance import TaskConformance
from serai.store.tasks_rules import new_id, settle


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


BOTS = ("b0", "b1", "b2")
picks = st.integers(0, 30)


class TwoEngines(RuleBasedStateMachine):
    """Do the same to SQLite and to memory, and find no difference and no broken promise."""

    def __init__(self) -> None:
        super().__init__()
        self.connection = database()
        self.cursor = self.connection.cursor()
        self.state: dict[str, object] = {}
        self.now = 1000.0
        self.ids: list[str] = []
        self.held: dict[str, list[Task]] = {}
        self.names = itertools.count()

    def teardown(self) -> None:
        self.connection.close()

    def both(self, name: str, *arguments: Any, **more: Any) -> Any:
        results = []
        for module, tx in ((embedded, self.cursor), (memory, self.state)):
            try:
                results.append(getattr(module, name)(tx, *arguments, **more))
            except ConflictError:
                results.append("conflict")
        assert results[0] == results[1], (name, *results)
        return results[0]

    def pick(self, number: int) -> str:
        return self.ids[number % len(self.ids)]

    @rule(
        channel=st.sampled_from(["", "", "x", "y"]),
        tenant=st.sampled_from(["a", "b"]),
        priority=st.integers(0, 1),
        delay=st.sampled_from([0, 0, 7]),
        function=st.sampled_from(["f", "g"]),
        key=st.sampled_from(["", "", "k"]),
    )
    def insert(self, delay: int, **fields: Any) -> None:
        task = NewTask(id=f"t{next(self.names)}", not_before=self.now + delay, **fields)
        identity = self.both("insert", task, who="user:x", now=self.now)
        if identity not in self.ids:
            self.ids.append(identity)

    @rule(bot=st.sampled_from(BOTS))
    def enlist(self, bot: str) -> None:
        if bot not in self.held:
            self.both("enlist", bot, ("any",), now=self.now)
            self.held[bot] = []

    @rule(
        bot=st.sampled_from(BOTS),
        ends=st.lists(st.sampled_from(["done", "error", "to_do", "late", "park"]), max_size=3),
        slots=st.integers(0, 3),
        batch=st.integers(0, 2),
        known=st.booleans(),
    )
    def exchange(self, bot: str, ends: list[str], slots: int, batch: int, known: bool) -> None:
        finishes = []
        for end, task in zip(ends, list(self.held.get(bot, [])), strict=False):
            self.held[bot].remove(task)
            state = end if end in {"done", "error"} else "to_do"
            more = {"not_before": self.now + 5 if end == "late" else 0.0, "burn": end == "late", "park": end == "park"}
            finishes.append(Finish(number=task.number, run=task.run, state=state, **more))
        functions = frozenset({"f", "g"}) if known else frozenset()
        want = Want(queues=("any",), slots=slots, batch=batch, short=frozenset({"g"}), known=functions)
        got = self.both("exchange", bot, finishes, want, now=self.now)
        if got == "conflict":
            assert bot not in self.held
            return
        assert got.refused == []
        self.held[bot] += got.claimed

    @precondition(lambda self: self.ids)
    @rule(number=picks)
    def cancel(self, number: int) -> None:
        self.both("cancel", self.pick(number), who="user:x", why="", now=self.now)

    @precondition(lambda self: self.ids)
    @rule(number=picks)
    def retry(self, number: int) -> None:
        self.both("retry", self.pick(number), who="user:x", why="", now=self.now)

    @rule(channel=st.sampled_from(["x", "y"]), paused=st.booleans())
    def pause(self, channel: str, paused: bool) -> None:
        if paused:
            self.both("pause", channel, who="user:x", why="", now=self.now)
        else:
            self.both("resume", channel, now=self.now)

    @rule(bot=st.sampled_from(BOTS), died=st.booleans())
    def bury(self, bot: str, died: bool) -> None:
        beats = {row.name: row.beat for row in self.both("bots")}
        self.both("bury", bot, beats.get(bot) if died else None, "gone", who="clock", now=self.now)
        self.held.pop(bot, None)

    @rule(seconds=st.sampled_from([1, 6, -3]))
    def wait(self, seconds: int) -> None:
        self.now += seconds

    @invariant()
    def engines_agree_and_promises_hold(self) -> None:
        tasks: list[Task] = self.both("find", Filter(limit=1000))
        assert {task.id for task in tasks} == set(self.ids)
        heads = Counter(t.channel for t in tasks if t.channel and t.state not in FINAL and t.wait != "channel")
        assert all(count == 1 for count in heads.values()), "two heads of a channel"
        stuck = {t.channel for t in tasks if t.wait == "channel"} - set(heads)
        assert not stuck, "a channel without a head"
        for task in tasks:
            assert bool(task.bot) == (task.state in {"is_processing", "to_cancel"})
            assert bool(task.wait) == (task.state == "to_do")
            assert bool(task.finished) == (task.state in FINAL)
            assert task.bot == "" or task.number in {held.number for held in self.held[task.bot]}
            story = self.both("story", task.id)
            moves = [(line.old, line.new) for line in story]
            assert set(moves) <= set(TRANSITIONS)
            assert [new for _, new in moves[:-1]] == [old for old, _ in moves[1:]]
            assert moves[-1][1] == task.state


TwoEngines.TestCase.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
TestTwoEngines = TwoEngines.TestCase


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


def test_only_a_bots_moves_settle_a_finish() -> None:
    with pytest.raises(InternalError):
        settle("is_processing", Finish(number=1, run=1, state="canceled"))
    with pytest.raises(InternalError):
        settle("done", Finish(number=1, run=1, state="done"))


def test_ids_are_version_7_and_sort_by_time() -> None:
    ids = [new_id(now) for now in (1.0, 2.0, 1e9, 2e9)]
    assert ids == sorted(ids)
    assert all(len(i) == 36 and i[14] == "7" and i[19] in "89ab" for i in ids)
