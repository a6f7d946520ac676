"""A store that older code wrote: its tasks are kept, claimed, and told whole."""

from __future__ import annotations

import sqlite3
from typing import Any

import msgspec
import pytest

from serai.store.contract import NewTask
from serai.store.embedded.migrate import migrate, shipped
from serai.store.embedded.tasks import ROWS
from serai.store.tasks import Filter, Finish, Want

WANT = Want(queues=("any",), slots=10)
LIFE = [("", "to_do"), ("to_do", "is_processing"), ("is_processing", "done")]


@pytest.fixture
def cursor():
    connection = sqlite3.connect(":memory:", isolation_level=None)
    migrate(connection, shipped()[:3], 0.0)
    yield connection.cursor()
    connection.close()


def old(cursor: sqlite3.Cursor, name: str, story: list[tuple[str, str]], **columns: Any) -> None:
    """Write a task as older code did: with each line of its story, and a bot only while it ran."""
    row = {
        "id": name,
        "function": "f",
        "arguments": msgspec.msgpack.encode({"name": name}),
        "tenant": "acme",
        "queue": "any",
        "who": "user:x",
        "created": 1.0,
        "state": story[-1][1],
        "wait": "",
        "deadline": 600.0,
        "steps": len(story),
    }
    texts = dict.fromkeys(("app", "channel", "provider", "key", "parent"), "")
    row = texts | {"priority": 0, "not_before": 0.0, "retries": 0} | row | columns
    cursor.execute(f"INSERT INTO task ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})", tuple(row.values()))
    number = cursor.lastrowid
    lines = [(number, step, float(step), "user:x", *move, "") for step, move in enumerate(story, 1)]
    cursor.executemany("INSERT INTO task_story VALUES (?, ?, ?, ?, ?, ?, ?)", lines)


def moves(cursor: sqlite3.Cursor, name: str) -> list[tuple[str, str]]:
    return [(line.old, line.new) for line in ROWS.story(cursor, name)]


def test_tasks_of_an_older_store_go_on(cursor: sqlite3.Cursor) -> None:
    cursor.execute("INSERT INTO task_bot VALUES ('b0', 7, 'any', 1.0)")
    old(cursor, "ready", LIFE[:1], wait="ready", rank=3, key="k")
    old(cursor, "runs", LIFE[:2], bot="b0", run=1, started=2.0, channel="c")
    old(cursor, "behind", LIFE[:1], wait="channel", channel="c")
    old(cursor, "later", LIFE[:1], wait="time", not_before=50.0)
    old(cursor, "over", LIFE, run=1, started=2.0, finished=3.0, progress=1.0)
    old(cursor, "broken", [*LIFE[:2], ("is_processing", "error")], run=1, error=msgspec.msgpack.encode({"code": "x"}))
    old(cursor, "large", LIFE[:1], wait="ready", arguments=None, tenant="other")
    cursor.execute("INSERT INTO task_payload (task, arguments) VALUES (7, ?)", (msgspec.msgpack.encode({"a": 1}),))
    migrate(cursor.connection, shipped(), 1.0)
    assert [task.id for task in ROWS.find(cursor, Filter())][::-1] == [
        "ready", "runs", "behind", "later", "over", "broken", "large",
    ]  # fmt: skip
    assert moves(cursor, "over") == LIFE
    assert ROWS.get(cursor, "broken").error == {"code": "x"}
    assert ROWS.insert(cursor, NewTask(function="f", tenant="acme", key="k"), who="x", now=9.0) == "ready"

    ROWS.enlist(cursor, "b1", ("any",), now=10.0)
    claimed = ROWS.exchange(cursor, "b1", [], WANT, now=10.0).claimed
    assert {task.id: task.arguments for task in claimed} == {"ready": {"name": "ready"}, "large": {"a": 1}}
    ended = Finish(number=2, run=1, state="done")
    assert [task.id for task in ROWS.exchange(cursor, "b0", [ended], WANT, now=11.0).claimed] == ["behind"]
    assert moves(cursor, "runs") == LIFE
    ROWS.exchange(cursor, "b1", [Finish(number=1, run=1, state="done")], WANT, now=12.0)
    assert moves(cursor, "ready") == LIFE
    ROWS.retry(cursor, "broken", who="user:x", why="", now=13.0)
    assert {task.id for task in ROWS.exchange(cursor, "b1", [], WANT, now=60.0).claimed} == {"broken", "later"}
    assert moves(cursor, "broken")[2:] == [("is_processing", "error"), ("error", "to_do"), ("to_do", "is_processing")]


def test_what_an_older_bot_runs_beside_newer_ones_is_handed_back(cursor: sqlite3.Cursor) -> None:
    migrate(cursor.connection, shipped(), 1.0)
    for bot in ("old", "new"):
        ROWS.enlist(cursor, bot, ("any",), now=1.0)
        ROWS.insert(cursor, NewTask(function="f"), who="user:x", now=1.0)
        [task] = ROWS.exchange(cursor, bot, [], WANT, now=2.0).claimed
        if bot == "old":  # older code puts what it takes into no lane
            cursor.execute("UPDATE task SET lane = NULL WHERE number = ?", (task.number,))
    running = ROWS.find(cursor, Filter(state="is_processing"))
    assert [task.bot for task in running] == ["new", "old"]
    assert ROWS.bury(cursor, "old", 1, "it died", who="user:x", now=3.0) == [running[1].id]
    assert ROWS.cancel(cursor, running[0].id, who="user:x", why="", now=3.0) == "to_cancel"
    assert ROWS.beat(cursor, "new") == [running[0].number]
    older = "SELECT number FROM task WHERE bot = 'new' AND state IN ('is_processing', 'to_cancel') ORDER BY number"
    assert cursor.execute(older).fetchall() == [(running[0].number,)]
    assert [task.id for task in ROWS.find(cursor, Filter(state="to_cancel"))] == [running[0].id]
    assert ROWS.bury(cursor, "new", 2, "it died", who="user:x", now=3.0) == [running[0].id]
