"""What people read of a host's state."""

from __future__ import annotations

from typing import Any

import pytest

from serai.cli import host_status
from serai.daemon.causes import duration


def worker(group: str, index: int = 0, reason: str = "", **modules: Any) -> dict[str, Any]:
    named = {ref.replace("_", "."): status for ref, status in modules.items()}
    figures = {"pid": 7, "state": "serving", "generation": 1, "uptime_seconds": 90061.5, "memory": 5 << 20}
    return {"group": group, "index": index, "reason": reason, "modules": named, **figures}


def told(*workers: dict[str, Any], reasons: tuple[str, ...] = (), **more: Any) -> dict[str, Any]:
    every = [*reasons, *(f"{one['group']}/{one['index']}: {one['reason']}" for one in workers if one["reason"])]
    host = {
        "host": "h1",
        "home": "/srv/serai",
        "version": "1.2",
        "pid": 1,
        "uptime_seconds": 59.9,
        "memory": 9 << 20,
        "store": "SQLite",
    }
    return {"ok": not every, "reasons": every, **host, "restarts": {}, "workers": list(workers), **more}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (59.9, "59 s"), (60, "1 min"), (3599, "59 min 59 s"), (90061, "1 d 1 h"), (86401, "1 d")],
)
def test_times_are_told_in_their_two_greatest_units(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_green_host_is_one_line_below_its_workers() -> None:
    host = told(worker("agent", apps_agent={"ok": True, "instances": 3, "ready": 2}), worker("edge", 1, edge_http={}))
    assert (
        host_status.verdict(host)
        == "All green. Serai 1.2 on h1, up 59 s, 9 MiB; 2 of 3 instances ready; store: SQLite."
    )
    assert [[row[column] for column in host_status.COLUMNS] for row in host_status.rows(host)] == [
        ["agent/0", 7, "serving", "1 d 1 h", "5.0 MiB", ["apps.agent"]],
        ["edge/1", 7, "serving", "1 d 1 h", "5.0 MiB", ["edge.http"]],
    ]


def test_instances_that_fail_are_named_and_do_not_make_the_host_red() -> None:
    agent = {"ok": True, "instances": 1, "failed": 1, "failing": ["demo/shop.1.web.0: it exited with status 3"]}
    assert host_status.verdict(told(worker("agent", apps_agent=agent))).splitlines() == [
        "Of a tenant: demo/shop.1.web.0: it exited with status 3",
        "All green. Serai 1.2 on h1, up 59 s, 9 MiB; 0 of 1 instances ready; store: SQLite.",
    ]


def test_one_cause_of_many_troubles_is_told_once_with_its_places() -> None:
    ill = {"ok": False, "reason": "the disk is full."}
    host = told(
        worker("bots", 0, "tasks.bot: the disk is full.", tasks_bot=ill),
        worker("control", 0, "tasks.clock: the disk is full.", tasks_clock=ill, api_http={"ok": True}),
        worker("edge", 1, "The worker does not answer."),
        reasons=("agent: no process can be had",),
        restarts={"edge": 2, "bots": 0},
    )
    assert host_status.verdict(host).splitlines() == [
        "- The disk is full.",
        "  (tasks.bot in bots/0, tasks.clock in control/0)",
        "- The worker does not answer.",
        "  (edge/1)",
        "- agent: no process can be had.",
        "Workers that ended by themselves and were replaced: edge 2.",
        "More is in /srv/serai/logs/serai.jsonl.",
        "Not well. Serai 1.2 on h1, up 59 s, 9 MiB; store: SQLite.",
    ]
    assert [row["state"] for row in host_status.rows(host)] == ["not well"] * 3
