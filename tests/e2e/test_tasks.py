"""An application hands work to the platform: from its page, by its client, through cancels, switches and crashes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from installation import Installation

from conftest import example

HOST = "demo.localhost"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
OVER = {"done", "error", "canceled"}


@pytest.fixture(scope="module")
def app(site: Installation) -> Installation:
    site.run("deploy", example("tasks"), "--app", "work", "--tenant", "demo")
    return site


def post(site: Installation, path: str, body: str = "") -> str:
    """Press a button of the page; return where it leads."""
    answer = site.get(HOST, f"/work/{path}", "POST", body.encode(), FORM)
    assert answer.status == 302, answer.text
    return str(answer.headers["location"])


def state(site: Installation, place: str) -> dict[str, Any]:
    answer = site.get(HOST, f"{place}.json")
    assert answer.status == 200, answer.text
    told: dict[str, Any] = json.loads(answer.text)
    return told


def until(site: Installation, place: str, wanted: Any, seconds: float = 30) -> dict[str, Any]:
    end = time.monotonic() + seconds
    while not wanted(told := state(site, place)):
        assert time.monotonic() < end, told
        time.sleep(0.1)
    return told


def over(told: dict[str, Any]) -> bool:
    return told["state"] in OVER


def test_a_page_enqueues_and_shows_progress(app: Installation) -> None:
    place = post(app, "count", "to=8&seconds=0.25")
    halfway = until(app, place, lambda told: 0 < told["progress"] < 1)
    assert halfway["sentence"].endswith("of 8")
    told = until(app, place, over)
    assert (told["state"], told["result"], told["run"]) == ("done", {"counted": 8}, 1)
    assert told["log"] == [f"at {number}" for number in range(1, 9)]
    assert told["who"] == "app:demo/work"
    page = app.get(HOST, place)
    assert "Result: {&#39;counted&#39;: 8}" in page.text
    watched = app.run("task", "watch", told["id"])
    assert "at 8" in watched.stderr


def test_groups_and_commands_give_results(app: Installation) -> None:
    assert until(app, post(app, "squares"), over)["result"] == 30
    told = until(app, post(app, "words", "text=one+two+three"), over)
    assert (told["function"], told["result"]) == ("exec:sh", 3)


def test_a_running_task_is_canceled_and_cleans_up(app: Installation) -> None:
    place = post(app, "count", "to=500&seconds=0.1")
    until(app, place, lambda told: told["progress"] > 0)
    assert post(app, f"tasks/{place.rpartition('/')[2]}/cancel") == place
    told = until(app, place, over)
    assert told["state"] == "canceled"
    assert told["log"][-1] == "stopped: tidying up"
    story = app.json("task", "show", told["id"])["story"]
    assert [one["new"] for one in story] == ["to_do", "is_processing", "to_cancel", "canceled"]
    assert story[2]["why"] == "the page's button"


def test_what_recurs_is_declared_by_the_application(app: Installation) -> None:
    post(app, "every-minute")
    [one] = [one for one in app.json("schedule", "list") if one["name"] == "work.task.tick"]
    assert one["when"] == "every 1m"
    task = app.run("schedule", "run-now", "work.task.tick", "--tenant", "demo").stdout.strip()
    end = time.monotonic() + 20
    while (told := app.json("task", "show", task))["state"] not in OVER:
        assert time.monotonic() < end, told
        time.sleep(0.1)
    assert told["state"] == "done", told
    assert (app.home / "data/apps/demo/work/data/ticks").read_text().strip().isdigit()
    app.run("schedule", "delete", "work.task.tick", "--tenant", "demo")


def test_a_person_runs_work_of_an_app_and_waits(app: Installation) -> None:
    words = ("task", "run", "jobs:count", "to=3", "seconds=0.01", "--app", "work", "--tenant", "demo", "--wait")
    assert json.loads(app.run(*words).stdout) == {"counted": 3}
    failed = app.run("task", "run", "jobs:count", "--app", "work", "--tenant", "demo", "--wait", check=False)
    assert failed.returncode != 0
    assert "missing 1 required positional argument" in failed.stderr


def test_no_more_wait_than_a_tenant_may_have_and_what_recurs_says_so(site: Installation) -> None:
    site.run("tenant", "create", "few")
    mine = ("--app", "work", "--tenant", "few")
    site.run("deploy", example("tasks"), *mine)
    site.run("tenant", "set", "few", "--tasks", "2")
    time.sleep(1.1)  # so long it may be known how many may wait
    later = ("task", "run", "jobs:square", "number=2", *mine, "--delay", "900")
    for _ in range(2):
        site.run(*later)
    refused = site.run(*later, check=False)
    assert refused.returncode != 0
    assert "All applications of few have 2 tasks that wait, and may have 2." in refused.stderr
    site.run("schedule", "put", "tick", "every 1s", "jobs:tick", *mine)
    end = time.monotonic() + 40
    while not (late := json.loads(site.run("task", "list", *mine, "--state", "error", "--json").stdout)):
        assert time.monotonic() < end
        time.sleep(0.5)
    site.run("schedule", "delete", "work.task.tick", "--tenant", "few")
    assert (late[0]["function"], late[0]["error"]["code"]) == ("jobs:tick", "exhausted")
    assert "it was due and not let wait" in site.run("task", "show", late[0]["id"]).stdout
    site.run("task", "retry", late[0]["id"])
    assert json.loads(site.run("task", "show", late[0]["id"], "--json").stdout)["run"] <= 1


def test_a_task_outlives_a_release_switch(app: Installation) -> None:
    place = post(app, "count", "to=150&seconds=0.1")
    until(app, place, lambda told: told["progress"] > 0)
    app.run("deploy", example("tasks"), "--app", "work", "--tenant", "demo")
    assert not over(state(app, place))
    told = until(app, place, over, 60)
    assert (told["state"], told["run"], told["result"]) == ("done", 1, {"counted": 150})


def test_a_function_that_no_release_has_waits_for_one_that_does(app: Installation, tmp_path: Path) -> None:
    words = ("task", "run", "coming:soon", "number=7", "--app", "work", "--tenant", "demo")
    task = app.run(*words).stdout.split()[0]
    told = told_when(app, task, lambda told: told["wait"] == "function")
    assert told["error"]["public"].startswith("There is no module coming in this release.")
    assert "parked: There is no module coming" in app.run("task", "show", task).stdout
    assert [one["wait"] for one in app.json("task", "list", "--app", "work") if one["id"] == task] == ["function"]
    folder = tmp_path / "work"
    shutil.copytree(example("tasks"), folder)
    (folder / "coming.py").write_text("def soon(number):\n    return number * 6\n")
    app.run("deploy", str(folder), "--app", "work", "--tenant", "demo")
    done = told_when(app, task, over)
    assert (done["state"], done["result"], done["failures"]) == ("done", 42, 0)


def told_when(site: Installation, task: str, wanted: Any, seconds: float = 60) -> dict[str, Any]:
    end = time.monotonic() + seconds
    while not wanted(told := site.json("task", "show", task)):
        assert time.monotonic() < end, told
        time.sleep(0.2)
    return dict(told)


def test_what_bots_held_that_were_killed_is_run_again_and_once_at_a_time(app: Installation) -> None:
    [agent] = [worker["pid"] for worker in app.json("status")["workers"] if worker["group"] == "agent"]
    place = post(app, "count", "to=60&seconds=0.1")
    until(app, place, lambda told: told["progress"] > 0.05)
    os.kill(agent, signal.SIGKILL)
    told = until(app, place, over, 90)
    assert (told["state"], told["lost"], told["result"]) == ("done", 1, {"counted": 60})
    # The first run's sandbox died with its bot: its lines end where it was, and none mix with the second's.
    numbers = [int(line.split()[1]) for line in told["log"]]
    again = numbers.index(1, 1)
    assert numbers[again:] == list(range(1, 61))
    assert numbers[:again] == list(range(1, again + 1))
    assert app.get(HOST, "/work/").status == 200
