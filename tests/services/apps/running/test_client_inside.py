"""All of Python's client, from inside a real sandbox: each function, each option, each error."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.services.apps.running.conftest import OpenShop, Shop

pytestmark = [pytest.mark.root, pytest.mark.skipif(os.geteuid() != 0, reason="needs root")]

JOBS = """
import datetime, os, time
import serai

@serai.task(retries=1, backoff={"first": 0.01, "factor": 2, "longest": 0.02, "jitter": 0.5})
def flaky():
    if serai.current().attempt == 1:
        raise RuntimeError("the first time")
    return serai.current().attempt

@serai.task
def square(n):
    serai.log("squaring %d" % n)
    serai.progress(0.5, "half of it")
    return n * n

def total():
    return sum(n or 0 for n in serai.results())

def wrong():
    raise serai.Fail("never again")

def napping():
    serai.progress(0.1, "napping")
    while not serai.canceled():
        time.sleep(0.01)
    serai.checkpoint()

def said(act):
    try:
        act()
    except serai.SeraiError as error:
        return error.code
    except TimeoutError:
        return "timeout"

def enqueued():
    task = square.delay(3)
    seen = [one.state for one in serai.follow(task.id)]
    done = serai.get(task.id)
    return {
        "called": square(2), "name": square.name, "over": done.over, "last": seen[-1], "result": done.wait(5).result,
        "log": [line["text"] for line in task.log()], "sentence": done.sentence, "parent": done.parent,
        "me": serai.current().id, "children": [one.id for one in serai.get(serai.current().id).children()] == [task.id],
        "dict": task.refresh().as_dict()["function"], "listed": task.id in [t.id for t in serai.tasks(state="done")],
    }

def together():
    many = serai.enqueue_many([square.call(n) for n in range(3)])
    *parts, then = serai.group([square.call(n) for n in (1, 2, 3)], then=serai.call("jobs:total"))
    *_, last = serai.chain([square.call(4), serai.call("jobs:total")])
    bad = serai.group([serai.call("jobs:wrong")], then=serai.call("jobs:total", options={"on_error": "run"}))[-1]
    worse = serai.group([serai.call("jobs:wrong")], then=serai.call("jobs:total"))[-1]
    return {
        "many": [one.wait(20).result for one in many], "group": then.wait(20).result, "chain": last.wait(20).result,
        "although": bad.wait(20).result, "failed": said(lambda: worse.wait(20)),
    }

def commanded():
    script = "read line; echo got $line; echo '{\\"progress\\": 0.5}' >&3; echo '{\\"result\\": [1]}' >&3"
    task = serai.command(["sh", "-c", script], {"a": 1}, deadline=20).wait(20)
    [other] = serai.enqueue_many([serai.command_call(["sh", "-c", "exit 4"])])
    return {"result": task.result, "log": [line["text"] for line in task.log()], "failed": said(lambda: other.wait(20))}

def options():
    now = time.time()
    later = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1)
    one = square.options(channel="c", priority=-5, at=later, deadline=7, provider="bank", key="k", unique="live",
                         expires=now + 7200, release=1, retries=4).delay(2)
    two = serai.enqueue("jobs:square", 2, options={"key": "k", "unique": "live"})
    after = square.options(after=[one.id], on_error="run").delay(3)
    delayed = square.options(delay=3600, parent=one.id).delay(3)
    late = square.options(expires=now - 1).delay(1)
    told = serai.get(one.id).as_dict()
    names = ("channel", "priority", "deadline", "provider", "key", "retries", "wait", "not_before", "expires")
    found = {name: told[name] for name in names}
    found.update(
        same=one.id == two.id, after=after.refresh().as_dict()["wait"],
        delayed=delayed.refresh().as_dict()["not_before"] - now, parent=delayed.as_dict()["parent"] == one.id,
        cancel=serai.cancel(one.id, "enough"), at=later.timestamp(), expires_in=told["expires"] - now,
        late=said(lambda: late.wait(20)), then=after.wait(20).result,
    )
    delayed.cancel()
    found["canceled"] = said(lambda: delayed.wait(5))
    found["again"] = delayed.retry("once more")
    found["twice"] = said(delayed.retry)
    found["at once"] = delayed.wait(20).result
    return found

def retried():
    return flaky.delay().wait(20).result

def stopped():
    task = serai.enqueue("jobs:napping")
    for seen in task.follow():
        if seen.state == "is_processing" and seen.progress:
            break
    state = serai.cancel(task.id, "up")
    return {"told": state, "end": said(lambda: task.wait(20)), "state": task.state, "timeout": said(lambda:
            serai.enqueue("jobs:square", 1, options={"delay": 99}).wait(0.05))}

def scheduled():
    made = serai.schedule("nightly", "0 3 * * *", square.call(2), zone="Europe/Berlin", missed="never")
    again = serai.schedule("nightly", "every 15m", serai.command_call(["true"]))
    serai.unschedule("nightly")
    return {"made": made["when"], "zone": made["zone"], "missed": made["missed"], "again": again["when"],
            "gone": said(lambda: serai.unschedule("nightly"))}

def refused():
    call = lambda **options: (lambda: serai.enqueue("jobs:square", 1, options=options))
    return {
        "nobody": said(lambda: serai.get("nothing")), "option": said(call(colour="red")), "priority":
        said(call(priority=1001)), "deadline": said(call(deadline=0)), "retries": said(call(retries=-1)), "unique":
        said(call(unique="never")), "after": said(call(after=["nothing"])), "parent": said(call(parent="nothing")),
        "backoff": said(call(backoff={"first": -1})), "release": said(lambda: call(release=9)().wait(20)),
        "name": said(lambda: serai.enqueue("no colon")), "argv": said(lambda: serai.command([])),
        "when": said(lambda: serai.schedule("x", "sometimes", square.call(1))),
        "zone": said(lambda: serai.schedule("x", "@daily", square.call(1), zone="Mars/Base")),
        "missed": said(lambda: serai.schedule("x", "@daily", square.call(1), missed="twice")),
        "fail": said(lambda: serai.enqueue("jobs:wrong", options={"retries": 5}).wait(20)),
        "over": said(lambda: square.delay(1).wait(20).cancel()), "many": said(lambda: serai.enqueue_many([])),
    }
"""


@pytest.fixture
async def shop(open_shop: OpenShop) -> AsyncIterator[Shop]:
    async with open_shop(JOBS) as made:
        yield made


async def ran(shop: Shop, call: str) -> Any:
    done = await shop.run(f"jobs:{call}")
    assert done.state == "done", done.error
    return done.result


async def test_what_is_enqueued_is_followed_to_its_end(shop: Shop) -> None:
    told = await ran(shop, "enqueued")
    assert told.pop("parent") == told.pop("me")
    assert told == {
        "called": 4, "name": "jobs:square", "over": True, "last": "done", "result": 9, "log": ["squaring 3"],
        "sentence": "half of it", "children": True, "dict": "jobs:square", "listed": True,
    }  # fmt: skip


async def test_groups_chains_and_commands_give_results_and_errors(shop: Shop) -> None:
    told = await ran(shop, "together")
    assert told == {"many": [0, 1, 4], "group": 14, "chain": 16, "although": 0, "failed": "conflict"}
    told = await ran(shop, "commanded")
    assert told == {"result": [1], "log": ['got {"a": 1}'], "failed": "internal"}


async def test_each_option_means_what_the_page_says(shop: Shop) -> None:
    told = await ran(shop, "options")
    assert told.pop("not_before") == pytest.approx(told.pop("at"))
    assert told.pop("delayed") == pytest.approx(3600, abs=60)
    assert told.pop("expires_in") == pytest.approx(7200, abs=1)
    told.pop("expires")
    assert told == {
        "channel": "c", "priority": -5, "deadline": 7, "provider": "bank", "key": "k", "retries": 4, "wait": "time",
        "same": True, "after": "tasks", "parent": True, "cancel": "canceled", "late": "deadline", "then": 9,
        "canceled": "conflict", "again": "to_do", "twice": "conflict", "at once": 9,
    }  # fmt: skip


async def test_what_fails_is_tried_again_and_what_is_stopped_stops(shop: Shop) -> None:
    assert await ran(shop, "retried") == 2
    told = await ran(shop, "stopped")
    assert told == {"told": "to_cancel", "end": "conflict", "state": "canceled", "timeout": "timeout"}


async def test_what_recurs_is_declared_changed_and_ended(shop: Shop) -> None:
    assert await ran(shop, "scheduled") == {
        "made": "0 3 * * *", "zone": "Europe/Berlin", "missed": "never", "again": "every 15m", "gone": "not_found",
    }  # fmt: skip


async def test_what_means_nothing_is_refused_with_a_code(shop: Shop) -> None:
    told = await ran(shop, "refused")
    for name, code in (("nobody", "not_found"), ("after", "not_found"), ("parent", "not_found"),
                       ("release", "not_found"), ("over", "conflict")):  # fmt: skip
        assert told.pop(name) == code, name
    assert set(told.values()) == {"invalid"}, told
