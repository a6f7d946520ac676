"""kill -9, reload of nonsense, upgrade: visitors don't notice."""

from __future__ import annotations

import json
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from installation import Installation
from test_day import Visitor, program, until

from conftest import example


def started(own: Installation, tmp_path: Path, *sets: str) -> Installation:
    own.up(*sets)
    own.run("tenant", "create", "demo")
    own.run("deploy", program(tmp_path / "app", "one"), "--app", "day")
    return own


def workers(site: Installation, group: str) -> list[int]:
    record = json.loads((site.home / "run" / "supervisor.json").read_text())
    return [worker["pid"] for worker in record["workers"] if worker["group"] == group]


def supervisor(site: Installation) -> int:
    return int(json.loads((site.home / "run" / "supervisor.json").read_text())["pid"])


def pid_of_instance(site: Installation) -> str:
    return site.get("demo.localhost", "/day/").text.split()[1]


def test_a_killed_edge_worker_costs_no_new_connection(own: Installation, tmp_path: Path) -> None:
    site = started(own, tmp_path)
    for pid in workers(site, "edge"):
        os.kill(pid, signal.SIGKILL)
        assert site.get("demo.localhost", "/day/").status == 200
    until(lambda: len(workers(site, "edge")) >= 1)
    assert site.get("demo.localhost", "/day/").status == 200


def test_a_new_supervisor_takes_over_running_instances(own: Installation, tmp_path: Path) -> None:
    site = started(own, tmp_path)
    handles = sorted((site.home / "run" / "instances").glob("*/handle.json"))
    before = [json.loads(path.read_text())["pid"] for path in handles]
    assert before
    os.kill(supervisor(site), signal.SIGKILL)
    assert site.get("demo.localhost", "/day/").status == 200
    with Visitor(site, "/day/") as visitor:
        site.up()
        until(lambda: visitor.answers > 10)
    assert visitor.faults == []
    handles = sorted((site.home / "run" / "instances").glob("*/handle.json"))
    assert [json.loads(path.read_text())["pid"] for path in handles] == before


def test_upgrade_and_reload_drop_nobody(own: Installation, tmp_path: Path) -> None:
    site = started(own, tmp_path)
    with Visitor(site, "/day/") as visitor:
        for _ in range(3):
            site.run("reload")
            site.run("upgrade")
    assert visitor.faults == []
    assert site.get("demo.localhost", "/day/").status == 200


def test_deployments_at_once_go_on_while_the_host_is_upgraded(own: Installation, tmp_path: Path) -> None:
    site = started(own, tmp_path)
    folder = program(tmp_path / "next", "next")
    with Visitor(site, "/day/") as visitor, ThreadPoolExecutor(3) as threads:
        deploy = ("deploy", folder, "--app", "day", "--tenant", "demo")
        deployed = [threads.submit(site.run, *deploy) for _ in range(2)]
        site.run("upgrade")
        for one in deployed:
            one.result()
        until(lambda: site.get("demo.localhost", "/day/").text.startswith("next "))
    assert visitor.faults == []
    assert [one["number"] for one in site.json("release", "list", "day")] == [3, 2, 1]


def test_a_reload_that_is_refused_changes_nothing(own: Installation, tmp_path: Path) -> None:
    site = started(own, tmp_path)
    config = site.home / "serai.toml"
    before = config.read_text()
    for text, path in (
        ('[modules."edge.http"]\nlisen = []\n', "lisen"),
        ('[modules."tasks.bot"]\nconcurrency = "many"\n', 'modules."tasks.bot".concurrency'),
        ("[nonsense]\n", "nonsense"),
        ("[[[", "serai.toml"),
    ):
        config.write_text(before + "\n" + text)
        done = site.run("reload", check=False)
        assert done.returncode != 0
        assert path in done.stderr, done.stderr
        assert "Traceback" not in done.stderr
        assert site.get("demo.localhost", "/day/").status == 200
    config.write_text(before)
    site.run("reload")


def test_a_killed_instance_is_started_again(own: Installation, tmp_path: Path) -> None:
    site = started(own, tmp_path)
    site.run("app", "scale", "day", "2")
    until(lambda: len(list((site.home / "run" / "instances").glob("*/handle.json"))) >= 2)
    until(lambda: [one["state"] for one in site.json("app", "show", "day")["instances"]] == ["ready", "ready"])
    victim = json.loads(next((site.home / "run" / "instances").glob("*day*/handle.json")).read_text())["pid"]
    with Visitor(site, "/day/") as visitor:
        os.kill(victim, signal.SIGKILL)
        until(lambda: visitor.answers > 50)
        until(lambda: [one["state"] for one in site.json("app", "show", "day")["instances"]] == ["ready", "ready"])
    assert visitor.faults == []


def test_two_homes_live_side_by_side(own: Installation, tmp_path: Path) -> None:
    own.up()
    second = Installation(own.home.parent / "second")
    try:
        second.up()
        assert own.json("status")["ok"]
        assert second.json("status")["ok"]
        assert supervisor(own) != supervisor(second)
    finally:
        second.down()
    assert own.json("status")["ok"]


def test_what_tenants_tasks_do_when_the_host_goes_down_is_handed_back_and_idle_runners_cost_no_time(
    own: Installation,
) -> None:
    own.up('modules."apps.agent".stop_seconds=300')
    own.run("tenant", "create", "demo")
    own.run("deploy", example("tasks"), "--app", "work", "--tenant", "demo")
    run = ("task", "run", "--app", "work", "--tenant", "demo")
    own.run(*run, "jobs:count", "to=1", "--wait")
    began = time.monotonic()
    own.run("down")
    assert time.monotonic() - began < 50, "something had to be killed"
    assert not list((own.home / "run/instances").glob("*"))
    own.up("host.drain_seconds=4")
    counting = own.run(*run, "jobs:count", "to=300").stdout.strip()
    sleeping = own.run(*run, "--command", "sleep", "30").stdout.strip()
    for task in (counting, sleeping):
        until(lambda task=task: own.json("task", "show", task)["state"] == "is_processing")
    own.run("down")
    assert not list((own.home / "run/instances").glob("*"))
    own.up()
    for task in (counting, sleeping):
        own.run("task", "watch", task)
        told = own.json("task", "show", task)
        assert (told["state"], told["run"], told["lost"], told["failures"]) == ("done", 2, 0, 0), told["story"]
        assert "handed back: its bot is shutting down" in [step["why"] for step in told["story"]]
