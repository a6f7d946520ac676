"""Tenants' functions that nobody should write end in an error, harm nobody beside them, and may be run again."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.services.apps.running.conftest import OpenShop, Shop

pytestmark = [pytest.mark.root, pytest.mark.skipif(os.geteuid() != 0, reason="needs root")]

JOBS = """
import ctypes, os, signal, sys, threading, time

def healed():
    return os.path.exists("/data/healed")

def crash():
    print("about to crash", flush=True)
    return 1 if healed() else ctypes.string_at(0)

def leave():
    return 1 if healed() else os._exit(0)

def fork():
    if healed():
        return 1
    for _ in range(3):
        if os.fork() == 0:
            os.setsid()
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            time.sleep(600)
    os.kill(os.getpid(), signal.SIGKILL)

def eat():
    hoard = []
    while not healed():
        hoard.append(bytearray(1 << 24))
    return 1

def spin():
    while not healed():
        pass
    return 1

def stay():
    while not healed():
        try:
            time.sleep(60)
        except BaseException:
            pass
    return 1

def deaf():
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    while not healed():
        time.sleep(0.1)
    return 1

def deep():
    return 1 if healed() else deep() + 1

def many():
    if not healed():
        for _ in range(100000):
            threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
    return 1

def close():
    if not healed():
        os.closerange(0, 1000)
    return 1

def add(a, b):
    return a + b
"""

POISON = {
    "crash": "died", "leave": "died", "fork": "died", "eat": "", "spin": "", "stay": "", "deaf": "", "deep":
    "RecursionError", "many": "", "close": "",
}  # fmt: skip


@pytest.fixture
async def shop(open_shop: OpenShop) -> AsyncIterator[Shop]:
    async with open_shop(JOBS) as made:
        yield made


async def test_each_poison_ends_in_an_error_beside_others_and_is_run_again_once_it_is_healed(shop: Shop) -> None:
    # Those that end by themselves may take as long as it takes.
    ends = {name: 60.0 if said else 4.0 for name, said in POISON.items()}
    names = {name: await shop.enqueue(f"jobs:{name}", deadline=ends[name], retries=0) for name in POISON}
    beside = [await shop.enqueue("jobs:add", app, args=[n, 1]) for n in range(5) for app in ("jobs", "blog")]
    for name in beside:
        assert (await shop.tasks.wait(name, 90)).state == "done"
    for name, task in names.items():
        over = await shop.tasks.wait(task, 90)
        assert over.state == "error", name
        assert over.error is not None
        assert over.error["public"], name
        assert POISON[name] in over.error["public"], name
        assert (await shop.tasks.story(task))[-1].new == "error"
    assert (await shop.tasks.log(names["crash"]))[0].text == "about to crash"
    data = shop.platform.ctx.home / "data/apps/demo/jobs/data"
    (data / "healed").touch()
    for task in names.values():
        await shop.tasks.retry("user:test", task, "it is healed")
    assert {name: (await shop.tasks.wait(task, 90)).result for name, task in names.items()} == dict.fromkeys(POISON, 1)
