"""What visitors did is kept second by second, and seen by who may; a reload loses none of it."""

from __future__ import annotations

import time
from typing import Any

from installation import Installation

from conftest import example
from serai.api.client import Client


def counted(api: Client, path: str, since: float) -> float:
    answer: Any = api.call("GET", f"/v1/series/{path}", query={"from": since, "step": 1, "names": "requests"})
    return sum(value or 0 for value in answer["columns"][1])


def test_every_request_is_counted_once_across_a_reload(site: Installation) -> None:
    site.run("deploy", example("static"), "--tenant", "demo", "--app", "counted")
    api = Client(site.home / "run/api.sock")
    since = time.time() - 1
    for _ in range(30):
        assert site.get("demo.localhost", "/counted/").status == 200
    site.run("reload")
    for _ in range(30):
        site.get("demo.localhost", "/counted/")
    end = time.monotonic() + 30
    while time.monotonic() < end and counted(api, "demo/counted", since) < 60:
        time.sleep(0.5)
    assert round(counted(api, "demo/counted", since)) == 60
    assert counted(api, "demo", since) >= 60
    assert counted(api, "-", since) >= 60


def test_apps_are_seen_at_a_glance_on_the_command_line(site: Installation) -> None:
    site.run("deploy", example("static"), "--tenant", "demo", "--app", "glanced")
    site.get("demo.localhost", "/glanced/")
    end = time.monotonic() + 40
    found: list[Any] = []
    while time.monotonic() < end and not found:
        found = [look for look in site.json("top", "--tenant", "demo") if look["app"] == "glanced"]
        time.sleep(0.5)
    assert max(found[0]["curve"]) > 0
    assert "glanced" in site.run("top", "--tenant", "demo", "--by", "name").stdout
