"""The processes of a whole platform, killed and stopped under load: nothing lost, nothing twice at once, all in order.

The work is an application's, done in its sandboxes; it writes what it does into a ledger in its data folder.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from installation import Installation
from test_bad_days import supervisor, workers

from serai.store.open import open_store
from serai.store.tasks import Filter
from serai.tasks import Tasks

sys.path.append(str(Path(__file__).parents[1] / "tasks"))
import matrix

pytestmark = pytest.mark.xdist_group("timed")  # one at a time: leases must be kept by who is well
LEASE = 2.0
TASKS = 320
FUNCTION = "jobs:note"
PAGE = """
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Page(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()

ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Page).serve_forever()
"""
JOBS = """
import os
import random
import time

import serai


def write(*words):
    run = serai.current()
    lines = "".join(f"{word} {run.id} {run.attempt} {os.getpid()} {time.monotonic()}\\n" for word in words)
    file = os.open("/data/ledger", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.write(file, lines.encode())
    os.close(file)


def note(seconds):
    end = time.monotonic() + seconds
    write("begin", "alive")
    while time.monotonic() < end:
        time.sleep(0.005)
        write("alive")
    write("end")


def load(count):
    chance = random.Random(count)
    for first in range(0, count, 50):
        serai.enqueue_many([
            serai.call(
                "jobs:note",
                chance.uniform(2.5, 4) if number % 40 == 7 else chance.uniform(0, 0.4),  # some outlast a lease
                options={"channel": f"c{number % 8}"} if chance.random() < 0.3 else {},
            )
            for number in range(first, min(count, first + 50))
        ])
"""


@dataclass
class Harm:
    """What is done to a platform, and what the check of the ledger wants to know about it."""

    site: Installation
    ledger: Path
    killed: list[str] = field(default_factory=list)
    dead: dict[int, float] = field(default_factory=dict)  # a sandbox says itself until when it lived

    def supervisor(self) -> None:
        """Kill the supervisor; another one takes over what it left."""
        os.kill(supervisor(self.site), signal.SIGKILL)
        self.killed.append("SIGKILL supervisor")
        self.site.up(*SETTINGS)

    def kill(self, group: str) -> None:
        """Kill the workers of a group."""
        for pid in workers(self.site, group):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.killed.append(f"SIGKILL {group}")

    async def stop(self, group: str, seconds: float) -> None:
        """Stop the workers of a group for a while; those that are killed meanwhile never wake."""
        stopped = workers(self.site, group)
        for which in (signal.SIGSTOP, signal.SIGCONT):
            for pid in stopped:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, which)
            await asyncio.sleep(seconds if which == signal.SIGSTOP else 0)
        self.killed.append(f"SIGSTOP {group} {seconds}")


BOTS = ("tasks.bot", "tasks.bot@store", "tasks.bot@host", "tasks.bot@work", "tasks.clock")
SETTINGS = [f'modules."{module}".lease_seconds={LEASE}' for module in BOTS]


@pytest.fixture
def loaded(own: Installation, tmp_path: Path) -> Harm:
    """A platform with hundreds of tasks."""
    own.up(*SETTINGS)
    own.run("tenant", "create", "demo")
    folder = tmp_path / "app"
    folder.mkdir()
    (folder / "app.py").write_text(PAGE)
    (folder / "jobs.py").write_text(JOBS)
    (folder / "Procfile").write_text("web: python3 app.py\n")
    own.run("deploy", str(folder), "--app", "work", "--tenant", "demo")
    own.run("task", "run", "jobs:load", f"count={TASKS}", "--app", "work", "--tenant", "demo", "--wait")
    return Harm(own, own.home / "data/apps/demo/work/data/ledger")


async def test_whoever_of_a_platform_dies_or_sleeps_every_task_runs_and_none_twice_at_once(loaded: Harm) -> None:
    chance = random.Random(7)
    store = open_store(loaded.site.home / "data/store/store.db")
    tasks, wanted = Tasks(store), Filter(tenant="demo", function=FUNCTION)
    harms = [
        "supervisor",
        "kill control",
        "kill agent",
        "kill bots",
        "stop control",
        "stop agent",
        "stop bots",
        "supervisor",
    ]
    chance.shuffle(harms)
    try:
        for harm in harms:
            await asyncio.sleep(chance.uniform(0.2, 1.0))
            verb, _, group = harm.partition(" ")
            if verb == "supervisor":
                await asyncio.to_thread(loaded.supervisor)
            elif verb == "kill":
                loaded.kill(group)
            else:
                await loaded.stop(group, chance.choice((0.5, 1.5)) * LEASE)
        async with asyncio.timeout(200):
            while any([await tasks.find(Filter(tenant="demo", state=state, limit=1)) for state in matrix.LIVE]):
                await asyncio.sleep(0.1)
        counted = await matrix.verify(tasks, loaded, wanted)
    finally:
        await store.close()
    assert counted["tasks"] == TASKS
    assert counted["losses"] > 0, "nobody was hit: this proves nothing"
    assert counted["hurt"] == len(harms)
