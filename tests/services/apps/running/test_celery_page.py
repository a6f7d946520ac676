"""Each row of docs/migrating-from-celery.md, run: in a sandbox what a program says, here what the host is asked."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import typer

from serai.cli.main import app as cli
from serai.daemon.modules.bot import BotConfig
from serai.daemon.modules.clock import ClockConfig
from serai.services.apps.running.pool import PoolLimits
from serai.store.contract import Backoff
from serai.store.tasks import TRANSITIONS

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.services.apps.running.conftest import OpenShop

PAGE = (Path(__file__).parents[4] / "docs/migrating-from-celery.md").read_text()
ROWS = dict(re.findall(r"^\| (`.*?|[A-Za-z].*?) \| (.*) \|$", PAGE, re.MULTILINE))

#: What stands on the right of each row, as a program in a sandbox says it: statements that hold.
PROGRAMS = {
    "`@app.task`, `@shared_task`": "assert f.name == 'jobs:f'",
    "`f.delay(1, a=2)`": "assert f.delay(1, a=2).wait(20).result == [1, 2]",
    "`f.apply_async(args, kwargs, countdown=60)`":
        "assert 50 < f.options(delay=60).delay(1).refresh().as_dict()['not_before'] - time.time() < 70",
    "`eta=datetime`, `expires=datetime`":
        "at = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1)\n"
        "made = f.options(at=at, expires=time.time() + 7200).delay(1).refresh().as_dict()\n"
        "assert abs(made['not_before'] - at.timestamp()) < 1 and made['expires'] > time.time()",
    "`app.send_task(\"jobs.f\", args)`": "assert serai.enqueue('jobs:f', *[1, 3]).wait(20).result == [1, 3]",
    "`f.s(1)`, `f.si(1)`": "assert serai.enqueue_many([f.call(1)])[0].wait(20).result == [1, 0]",
    "`group(…)()`": "assert [t.wait(20).result for t in serai.group([f.call(1), f.call(2)])] == [[1, 0], [2, 0]]",
    "`chord(group)(body)`":
        "assert serai.group([f.call(1), f.call(2)], then=body.call())[-1].wait(20).result == [[1, 0], [2, 0]]",
    "`chain(a.s(), b.s())()`": "assert serai.chain([f.call(4), body.call()])[-1].wait(20).result == [[4, 0]]",
    "`AsyncResult(id)`, `.get(timeout=10)`": "assert serai.get(f.delay(5).id).wait(10).result == [5, 0]",
    "`.state`: PENDING, STARTED, SUCCESS, FAILURE, REVOKED":
        "states = [t.state for t in body.delay().follow()]\n"
        "assert states[-1] == 'done' and set(states) <= {'to_do', 'is_processing', 'done'}, states\n"
        "assert said(lambda: serai.get('unknown')) == 'not_found'",
    "`self.update_state(meta=…)`": "serai.progress(0.5, 'half')\nassert me().as_dict()['id'] == serai.current().id",
    "`self.request.id`, `.retries`": "assert me().function == 'jobs:row' and serai.current().attempt == 1",
    "`autoretry_for`, `max_retries`, `retry_backoff`, `retry_jitter`":
        "back = {'first': 0.01, 'factor': 2, 'longest': 600, 'jitter': 0.5}\n"
        "assert fails.options(retries=5, backoff=back).delay(3).wait(20).result == 4\n"
        "gone = never.options(retries=5, backoff=back).delay()\n"
        "assert said(lambda: gone.wait(20)) == 'invalid' and gone.as_dict()['run'] == 1, gone.as_dict()",
    "`raise self.retry(countdown=…)`":
        "assert fails.options(retries=1, backoff={'first': 0.01}).delay(1).wait(20).result == 2",
    "`raise Reject(requeue=False)`, `dont_autoretry_for`": "assert said(lambda: never.delay().wait(20)) == 'invalid'",
    "`time_limit`, `soft_time_limit`":
        "slow = sleeps.options(deadline=0.5).delay()\n"
        "assert said(lambda: slow.wait(20)) == 'deadline'\n"
        "assert 'cleaned up' in [line['text'] for line in slow.log()], slow.log()",
    "`revoke(id, terminate=True)`":
        "task = f.options(delay=60).delay(1)\n"
        "assert task.cancel() == 'canceled' and task.refresh().state == 'canceled'",
    "`priority=` (depends on the broker)":
        "assert f.options(priority=1000, delay=9).delay(1).refresh().as_dict()['priority'] == 1000\n"
        "assert said(lambda: f.options(priority=1001).delay(1)) == 'invalid'",
    "queues, routing keys, `-Q`": "assert f.options(channel='c', priority=-1000).delay(1).wait(20).channel == 'c'",
    "`task_always_eager`": "assert f(1) == [1, 0]",
    "beat, `crontab`, `solar`":
        "assert serai.schedule('name', '0 3 * * *', f.call(), zone='UTC', missed='never')['when'] == '0 3 * * *'\n"
        "serai.unschedule('name')",
    "`bind=True`, `Task` subclasses, `link_error`":
        "bad, seen = serai.chain([never.call(), serai.call('jobs:body', options={'on_error': 'run'})])\n"
        "assert seen.wait(20).result == [None] and bad.refresh().state == 'error'",
}  # fmt: skip

JOBS = f"""
import datetime, time
import serai

PROGRAMS = {PROGRAMS!r}

@serai.task
def f(n=0, a=0):
    return [n, a]

@serai.task
def body():
    return serai.results()

@serai.task
def fails(times):
    if serai.current().attempt <= times:
        raise RuntimeError("again")
    return serai.current().attempt

@serai.task
def never():
    raise serai.Fail("why")

@serai.task
def sleeps():
    try:
        time.sleep(60)
    except serai.Canceled:
        print("cleaned up", flush=True)
        raise

def me():
    return serai.get(serai.current().id)

def said(act):
    try:
        act()
    except serai.SeraiError as error:
        return error.code

def row(name):
    exec(PROGRAMS[name], globals())
"""


def has(*words: str) -> bool:
    """Tell whether there is such a command, or such an option of one."""
    found: Any = typer.main.get_command(cli)
    context = typer.Context(found)
    for word in words:
        if word in {option for parameter in found.params for option in parameter.opts}:
            return True
        found = found.get_command(context, word) if hasattr(found, "get_command") else None
        if found is None:
            return False
    return True


#: And what a person says, or the platform does.
HERE: dict[str, Callable[[], object]] = {
    '`rate_limit="100/m"` (per worker)': lambda: has("task", "limit", "set", "--rate"),
    "`worker_concurrency`, `--autoscale`": lambda: "concurrency" in BotConfig.__struct_fields__,
    "`worker_max_tasks_per_child`": lambda: PoolLimits().runs == 1000,
    "`acks_late`, `reject_on_worker_lost`": lambda: ("is_processing", "to_do") in TRANSITIONS,
    "`visibility_timeout`": lambda: "lease_seconds" in BotConfig.__struct_fields__,
    "`result_backend`, `ignore_result`, `result_expires`": lambda: ClockConfig().keep_days == 90,
    "`celery inspect active`, `reserved`, `scheduled`": lambda: has("task", "list", "--state"),
    "`celery purge`": lambda: has("task", "cancel") and not has("task", "purge"),
    "Flower": lambda: has("task", "watch") and has("task", "show"),
    "signals (`task_prerun`, `task_failure`…)": lambda: has("task", "watch"),
}


def test_each_row_of_the_page_is_run() -> None:
    assert ROWS.keys() - {"Celery"} == PROGRAMS.keys() | HERE.keys()


@pytest.mark.parametrize("row", HERE)
def test_what_a_row_says_of_the_host_is_so(row: str) -> None:
    assert HERE[row]()


def test_what_the_page_gives_as_a_backoff_is_one() -> None:
    assert Backoff(first=1, factor=2, longest=600, jitter=0.5).delay(0, 1.0) == 1


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
async def test_what_a_row_says_of_a_program_holds_in_a_sandbox(open_shop: OpenShop) -> None:
    async with open_shop(JOBS) as shop:
        ended = {name: await shop.run("jobs:row", args=[name]) for name in PROGRAMS}
        wrong = {name: (await shop.tasks.log(task.id))[-3:] for name, task in ended.items() if task.state != "done"}
        assert wrong == {}
