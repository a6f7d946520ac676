"""Commands about tasks, providers and schedules, on a real API."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import pytest

from serai.cli.exit import STATUS
from serai.cli.task_limit import read_rate
from serai.cli.task_run import values
from serai.errors import InvalidError


@pytest.fixture
def shop(api: Any, serai: Any) -> str:
    """An app of the tenant demo."""
    assert serai("tenant", "create", "demo").status == 0
    api.client.call("PUT", "/v1/apps/demo/shop")
    return "shop"


def enqueue(serai: Any, *words: str) -> str:
    done = serai("task", "run", "--app", "shop", "--tenant", "demo", *words)
    assert done.status == 0, done.err
    return str(done.out.strip())


def test_work_of_an_app_is_run_by_name_and_told(shop: str, serai: Any) -> None:
    task = enqueue(serai, "jobs:send", "to=a", "count=3", "--channel", "mail")
    told = json.loads(serai("task", "show", task, "--json").out)
    assert (told["function"], told["channel"], told["who"]) == ("jobs:send", "demo/shop/mail", "user:root")
    assert told["arguments"]["kwargs"] == {"to": "a", "count": 3}
    assert [(one["old"], one["new"]) for one in told["story"]] == [("", "to_do")]
    text = serai("task", "show", task).out
    assert "function: jobs:send" in text
    assert "Story:" in text
    command = enqueue(serai, "--command", "--arguments", '{"x": 1}', "--", "sh", "-c", "exit 0")
    assert json.loads(serai("task", "show", command, "--json").out)["arguments"]["argv"] == ["sh", "-c", "exit 0"]
    listed = json.loads(serai("task", "list", "--tenant", "demo", "--app", "shop", "--json").out)
    assert [one["id"] for one in listed] == [command, task]
    assert serai("task", "run", "jobs:send", "--app", "shop", "--tenant", "demo", "--dry-run").status == 0
    assert (
        serai("task", "run", "jobs:send", "nonsense", "--app", "shop", "--tenant", "demo").status == STATUS["invalid"]
    )
    assert serai("task", "run", "jobs", "--app", "shop", "--tenant", "demo").status == STATUS["invalid"]
    assert serai("task", "run", "jobs:send", "--app", "nowhere", "--tenant", "demo").status == STATUS["not_found"]


def test_a_function_of_the_platform_is_run_by_its_name(api: Any, serai: Any) -> None:
    done = serai("task", "run", "some.function", "a=1", "--json")
    assert done.status == 0, done.err
    told = json.loads(serai("task", "show", json.loads(done.out)["id"], "--json").out)
    assert (told["function"], told["arguments"]) == ("some.function", {"a": 1})


def test_waiting_ends_with_the_task_and_its_exit_status(api: Any, shop: str, serai: Any) -> None:
    canceler = threading.Thread(target=lambda: _cancel_soon(api.client))
    canceler.start()
    done = serai("task", "run", "jobs:send", "--app", "shop", "--tenant", "demo", "--wait")
    canceler.join()
    assert done.status == STATUS["conflict"]
    [task] = json.loads(serai("task", "list", "--json", "--app", "shop").out)
    assert serai("task", "watch", task["id"]).status == STATUS["conflict"]


def _cancel_soon(client: Any) -> None:
    for _ in range(200):
        if found := client.call("GET", "/v1/tasks")["items"]:
            client.call("POST", f"/v1/tasks/{found[0]['id']}/cancel")
            return
        time.sleep(0.05)


def test_a_channel_is_paused_and_resumed(api: Any, serai: Any) -> None:
    assert serai("task", "pause", "demo/shop/mail", "--why", "the server moves").status == 0
    [paused] = json.loads(serai("task", "paused", "--json").out)
    assert (paused["channel"], paused["why"]) == ("demo/shop/mail", "the server moves")
    assert serai("task", "resume", "demo/shop/mail").status == 0
    assert serai("task", "resume", "demo/shop/mail").status == STATUS["not_found"]


def test_limits_are_set_listed_and_ended(api: Any, serai: Any) -> None:
    assert serai("task", "limit", "set", "channel", "demo/shop/mail", "--most", "3", "--rate", "100/m").status == 0
    [limit] = json.loads(serai("task", "limit", "list", "--json").out)
    assert (limit["scope"], limit["most"], limit["rate"], limit["per"]) == ("channel", 3, 100.0, 60.0)
    assert serai("task", "limit", "end", "channel", "demo/shop/mail").status == 0
    assert json.loads(serai("task", "limit", "list", "--json").out) == []
    assert serai("task", "limit", "set", "channel", "x").status == STATUS["invalid"]


def test_a_provider_is_declared_down_and_up(api: Any, serai: Any) -> None:
    assert serai("provider", "down", "mailer", "--why", "their status page").status == 0
    [told] = json.loads(serai("provider", "list", "--json").out)
    assert (told["name"], told["state"], told["declared"]) == ("mailer", "down", True)
    assert serai("provider", "up", "mailer").status == 0
    assert json.loads(serai("provider", "list", "--json").out)[0]["state"] != "down"


def test_what_recurs_is_put_paused_run_and_deleted(shop: str, serai: Any) -> None:
    words = ("schedule", "put", "nightly", "0 3 * * *", "jobs:clean", "deep=true", "--app", "shop", "--tenant", "demo")
    more = ("--busy", "skip", "--priority", "5", "--provider", "bank")
    assert serai(*words, "--zone", "Europe/Berlin", "--missed", "never", *more).status == 0
    [one] = json.loads(serai("schedule", "list", "--json").out)
    told = [one[name] for name in ("name", "zone", "missed", "busy")]
    assert told == ["shop.task.nightly", "Europe/Berlin", "never", "skip"]
    assert one["next"] > time.time()
    name = one["name"]
    assert serai("schedule", "pause", name).status == 0
    assert json.loads(serai("schedule", "show", name, "--json").out)["next"] is None
    assert serai("schedule", "resume", name).status == 0
    task = serai("schedule", "run-now", name).out.strip()
    told = json.loads(serai("task", "show", task, "--json").out)
    assert (told["function"], told["arguments"]["kwargs"]) == ("jobs:clean", {"deep": True})
    assert (told["priority"], told["provider"]) == (5, "demo/shop/bank")
    assert serai("schedule", "delete", name).status == 0
    assert serai("schedule", "show", name).status == STATUS["not_found"]
    assert serai(*words[:3], "sometimes", *words[4:]).status == STATUS["invalid"]
    assert serai(*words, "--busy", "never").status == STATUS["invalid"]


def test_words_become_arguments() -> None:
    assert values(["a=1", "b=x", 'c={"d": 2}', "e="], '{"a": 0, "f": true}') == {
        "a": 1, "b": "x", "c": {"d": 2}, "e": "", "f": True,
    }  # fmt: skip
    for words, arguments in ((["a"], None), (["=1"], None), ([], "[]"), ([], "{")):
        with pytest.raises(InvalidError):
            values(words, arguments)


def test_rates_have_units() -> None:
    assert read_rate("100/m") == {"rate": 100.0, "per": 60.0}
    assert read_rate("5/s") == {"rate": 5.0, "per": 1.0}
    for text in ("", "x/m", "1/y", "-1/m", "0/s", "nan/s"):
        with pytest.raises(InvalidError):
            read_rate(text)
