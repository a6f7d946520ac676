"""The whole way on the real driver: from a program in its sandbox, by its door, to a bot and back; and no other way."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import time
from typing import TYPE_CHECKING

import pytest

from serai.errors import InvalidError
from serai.services.apps import hosting
from serai.services.apps.running import tasks
from serai.services.apps.running.pool import PoolLimits

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.services.apps.running.conftest import OpenShop, Shop

    from serai.store.tasks import Task

pytestmark = [pytest.mark.root, pytest.mark.skipif(os.geteuid() != 0, reason="needs root")]

JOBS = """
import json, os, socket
import serai

def more(n):
    return [serai.enqueue("jobs:noop").id for _ in range(n)]

def noop():
    return 1

def down():
    raise serai.ProviderDown("no answer")

def tried(paths):
    said = {}
    for path in paths:
        try:
            sock = socket.socket(socket.AF_UNIX)
            sock.settimeout(2)
            sock.connect(path)
            said[path] = "connected"
        except OSError as error:
            said[path] = type(error).__name__
    return said

def meddle():
    said = {}
    for name, act in (
        ("write", lambda: open("/serai/door/mine", "w")),
        ("unlink", lambda: os.unlink("/serai/door/serai.sock")),
        ("client", lambda: open("/serai/lib/client/serai.py", "a")),
        ("list", lambda: os.listdir("/serai/door")),
        ("listen", lambda: socket.socket(socket.AF_UNIX).bind("/serai/task/bot.sock2")),
    ):
        try:
            act()
            said[name] = "done"
        except OSError as error:
            said[name] = error.errno
    return said, sorted(os.listdir("/serai"))

def echo(text):
    return text

def who():
    return serai._request("GET", "/v1/me"), os.environ["SERAI_SOCKET"]
"""


@pytest.fixture
async def shop(open_shop: OpenShop) -> AsyncIterator[Shop]:
    async with open_shop(JOBS) as made:
        yield made


async def test_a_task_enqueues_more_and_is_their_parent(shop: Shop) -> None:
    done = await shop.run("jobs:more", args=[3])
    assert done.state == "done", done.error
    for name in done.result:
        child = await shop.tasks.wait(name, 30)
        assert (child.state, child.parent, child.who) == ("done", done.id, "app:demo/jobs")
    assert (await shop.run("jobs:who")).result == [{"tenant": "demo", "app": "jobs"}, "/serai/door/serai.sock"]
    assert (await shop.run("jobs:who", "blog")).result[0] == {"tenant": "demo", "app": "blog"}


async def test_no_other_socket_can_be_reached_and_nothing_changed(shop: Shop) -> None:
    home = shop.platform.ctx.home
    paths = [
        str(home / "run/api.sock"),
        str(home / "run/bus.sock"),
        str(home / "run/control.sock"),
        str(home / "run/doors/demo.blog/serai.sock"),
        "/serai/door/../door/../../run/bus.sock",
        "/proc/1/root/run/bus.sock",
    ]
    assert (home / "run/bus.sock").exists()
    said = (await shop.run("jobs:tried", args=[paths])).result
    assert set(said) == set(paths)
    assert "connected" not in said.values()
    told = await shop.run("jobs:meddle")
    assert told.state == "done", told.error
    meddled, around = told.result
    assert set(meddled.values()) <= {errno.EACCES, errno.EROFS, errno.EPERM}
    assert set(meddled) == {"write", "unlink", "client", "list", "listen"}
    assert around == ["door", "lib", "task"]


async def test_another_tenants_user_can_not_pass_a_door(shop: Shop) -> None:
    folder = shop.platform.ctx.home / "run/doors/demo.jobs"
    mine = folder.stat().st_gid
    script = f"import socket; s = socket.socket(socket.AF_UNIX); s.connect('{folder}/serai.sock')"
    for uid, expected in ((mine, 0), (mine + 1, 1)):
        drop = ("setpriv", "--reuid", str(uid), "--regid", str(uid), "--clear-groups")
        done = await asyncio.create_subprocess_exec(
            *drop, "/usr/bin/python3", "-I", "-c", script, stderr=asyncio.subprocess.DEVNULL
        )
        assert await done.wait() == expected


async def test_a_provider_that_is_down_parks_its_tasks_and_burns_no_retry(shop: Shop) -> None:
    task = await shop.enqueue("jobs:down", provider="bank")
    async with asyncio.timeout(20):
        while (told := await shop.tasks.get(task)).wait != "provider":
            await asyncio.sleep(0.05)
    assert (told.state, told.failures) == ("to_do", 0)
    [provider] = await shop.tasks.providers()
    assert (provider.name, provider.state) == ("demo/jobs/bank", "down")
    await shop.tasks.cancel("user:test", task)


async def test_a_mebibyte_goes_in_and_comes_out_and_more_is_an_error_that_says_so(shop: Shop) -> None:
    text = "x" * ((1 << 20) - 100)
    assert (await shop.run("jobs:echo", args=[text])).result == text
    with pytest.raises(InvalidError, match="arguments: at most 1048576 octets"):
        await shop.enqueue("jobs:echo", args=["x" * (1 << 20)])
    large = await shop.run("jobs:echo", args=["\0" * 200_000])  # six octets each, in JSON
    assert (large.state, large.error and large.error["public"]) == (
        "error", "Its result is larger than 1048576 octets."
    )  # fmt: skip


async def waiting(shop: Shop, task: str, wait: str) -> Task:
    async with asyncio.timeout(30):
        while (told := await shop.tasks.get(task)).wait != wait or told.state != "to_do":
            await asyncio.sleep(0.05)
    return told


async def test_a_function_that_no_release_has_yet_is_parked_until_one_has_it(shop: Shop) -> None:
    task = await shop.enqueue("coming:soon", channel="line")
    behind = await shop.enqueue("jobs:noop", channel="line")
    told = await waiting(shop, task, "function")
    assert (told.failures, told.retries) == (0, 0)
    assert told.error is not None
    assert told.error["public"].startswith("There is no module coming in this release. The task waits")
    assert (await shop.tasks.story(task))[-1].why.startswith("parked: There is no module coming")
    assert (await shop.tasks.get(behind)).wait == "channel"
    named = await shop.run("coming:soon", release=1)
    assert (named.state, named.error and named.error["code"]) == ("error", "not_found")
    files = {**shop.platform.web_app(), "jobs.py": JOBS, "coming.py": "def soon(): return 'here'"}
    assert (await shop.platform.deploy("jobs", files)).state == "live"
    assert await shop.tasks.unpark("demo", "jobs") == 1
    done = await shop.tasks.wait(task, 30)
    assert (done.state, done.result, done.run) == ("done", "here", 2)
    assert (await shop.tasks.wait(behind, 30)).state == "done"


async def test_a_release_that_goes_live_while_the_one_before_is_asked_is_asked_next(shop: Shop) -> None:
    slow = "import time\nopen('/data/asked', 'w').close()\nwhile not __import__('os').path.exists('/data/go'):\n"
    files = {**shop.platform.web_app(), "slow.py": slow + "    time.sleep(0.05)\n"}
    await shop.platform.deploy("jobs", files)
    task = await shop.enqueue("slow:thing")
    data = shop.platform.ctx.home / "data/apps/demo/jobs/data"
    async with asyncio.timeout(30):
        while not (data / "asked").exists():
            await asyncio.sleep(0.02)
    await shop.platform.deploy("jobs", {**shop.platform.web_app(), "slow.py": "def thing(): return 2"})
    (data / "go").touch()
    done = await shop.tasks.wait(task, 30)
    assert (done.state, done.result, done.run) == ("done", 2, 1)


async def test_a_task_of_an_app_without_a_live_release_waits_for_the_first(shop: Shop) -> None:
    await shop.platform.deploy("fresh", {**shop.platform.web_app(), "jobs.py": JOBS}, environment=None)
    call, command = await shop.enqueue("jobs:noop", "fresh"), await shop.enqueue("", "fresh", argv=("true",))
    for task in (call, command):
        told = await waiting(shop, task, "function")
        assert told.error is not None
        assert "has no live release" in told.error["public"]
    await shop.platform.go_live("fresh", 1)
    assert await shop.tasks.unpark("demo", "fresh") == 2
    assert [(await shop.tasks.wait(task, 30)).state for task in (call, command)] == ["done", "done"]


async def test_small_tasks_pay_no_start_each(shop: Shop) -> None:
    await shop.run("jobs:noop")
    began = time.monotonic()
    names = [await shop.enqueue("jobs:noop") for _ in range(300)]
    await shop.tasks.wait(names[-1], 60)
    seconds = time.monotonic() - began
    assert tasks.pool_of(shop.platform.ctx.home).started <= 8
    assert seconds < 25, f"{300 / seconds:.0f} tasks/s"
    print(json.dumps({"tasks_per_second": round(300 / seconds)}))


async def test_tasks_of_a_deleted_app_end_and_its_door_closes(shop: Shop) -> None:
    from serai.services.apps import removal, switching

    task = await shop.enqueue("jobs:noop", delay=1000)
    await shop.run("jobs:noop")
    platform = shop.platform
    await removal.delete_app(platform.store, platform.site, "user:test", "demo", "jobs", confirm="jobs", data=True)
    await switching.remove(platform.work("jobs"), data=True)
    assert not (platform.ctx.home / "run/doors/demo.jobs").exists()
    assert not [one for one in await platform.driver.recover() if one.id.startswith("work.demo.jobs.")]
    await shop.tasks.cancel("user:test", task)


async def test_a_runner_without_work_ends_as_soon_as_it_is_told(shop: Shop) -> None:
    assert (await shop.run("jobs:noop")).result == 1
    driver = hosting.driver(shop.platform.ctx.home)
    [runner] = [handle for handle in await driver.recover() if not handle.id.startswith("app.")]
    # Sooner than an idle one is ended by its pool, with a signal that nobody can ignore.
    async with asyncio.timeout(PoolLimits().idle_seconds - 10):
        await driver.stop(runner, grace=3600)
