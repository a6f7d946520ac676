"""Functions and commands of an application, cancelled at any moment on a host that is busy: each is over soon."""

from __future__ import annotations

import http.client
import json
import random
import socket
import time
from pathlib import Path
from typing import Any

import pytest
from installation import Installation

STORM = 25.0  # seconds
#: Far beyond what docs/bots.md says of each of these.
WAIT = 120.0
OVER = {"done", "error", "canceled"}
JOBS = """
import asyncio, os, signal, time
import serai

def nap(seconds):
    time.sleep(seconds)

async def rest(seconds):
    await asyncio.sleep(seconds)

def count(to):
    for number in range(to):
        serai.progress(number / to, "on")
        time.sleep(0.02)

def tidy():
    try:
        time.sleep(600)
    finally:
        time.sleep(0.5)

def deaf():
    while True:
        try:
            time.sleep(0.1)
        except BaseException:
            pass

def freeze():
    os.kill(os.getpid(), signal.SIGSTOP)
"""
KINDS: list[dict[str, Any]] = [
    {"call": "jobs:nap", "args": [0.01]},
    {"call": "jobs:nap", "args": [600]},
    {"call": "jobs:rest", "args": [600]},
    {"call": "jobs:count", "args": [30_000]},
    {"call": "jobs:tidy"},
    {"call": "slow:go"},  # its module takes a while to be imported
    {"argv": ["true"]},
    {"argv": ["sleep", "600"]},
]
DEAF: list[dict[str, Any]] = [
    {"call": "jobs:deaf"},
    {"call": "jobs:freeze"},
    {"argv": ["sh", "-c", "trap '' TERM; while :; do sleep 1; done"]},
]


class Api:
    """The API on its socket, asked as root."""

    def __init__(self, site: Installation) -> None:
        self._path = str(site.home / "run/api.sock")

    def __call__(self, method: str, path: str, body: Any = None) -> Any:
        connection = http.client.HTTPConnection("serai", timeout=60)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(60)
        connection.sock.connect(self._path)
        try:
            head = {} if body is None else {"content-type": "application/json"}
            connection.request(method, path, None if body is None else json.dumps(body), head)
            answer = connection.getresponse()
            told = json.loads(answer.read() or b"null")
            assert answer.status < 400 or told["code"] == "conflict", told  # it was over by then
            return told
        finally:
            connection.close()


@pytest.fixture
def busy(own: Installation, tmp_path: Path) -> Installation:
    """A host with an application, whose functions get little time to stop."""
    (tmp_path / "jobs.py").write_text(JOBS)
    (tmp_path / "slow.py").write_text("import time\ntime.sleep(1)\ndef go():\n    time.sleep(600)\n")
    (tmp_path / "Procfile").write_text("web: python3 -m http.server --bind 127.0.0.1 $PORT\n")
    own.up("host.drain_seconds=10.0")
    own.run("tenant", "create", "demo", "--memory-mb", "65536", "--processes", "16384")
    own.run("deploy", str(tmp_path), "--app", "work", "--tenant", "demo")
    return own


def test_whatever_an_application_does_its_cancelled_tasks_are_soon_over(busy: Installation) -> None:
    api, chance = Api(busy), random.Random(1)
    names: list[str] = []
    asked = 0
    end = time.monotonic() + STORM
    while time.monotonic() < end:
        waiting = api("GET", "/v1/tasks?state=to_do&tenant=demo&limit=50")["items"]
        if len(waiting) < 10:
            items = [*chance.choices(KINDS, k=4), chance.choice(DEAF)]
            names += api("POST", "/v1/apps/demo/work/tasks", {"items": items})["tasks"]
        for one in api("GET", "/v1/tasks?state=is_processing&tenant=demo&limit=50")["items"]:
            if chance.random() < 0.3:
                asked += api("POST", f"/v1/tasks/{one['id']}/cancel").get("state") == "to_cancel"
        time.sleep(chance.expovariate(10))
    for name in names:
        asked += api("POST", f"/v1/tasks/{name}/cancel").get("state") == "to_cancel"
    end = time.monotonic() + WAIT
    for name in names:
        while (told := api("GET", f"/v1/tasks/{name}"))["state"] not in OVER:
            assert time.monotonic() < end, api("GET", f"/v1/tasks/{name}/story")
            time.sleep(0.1)
        assert told["lost"] == 0, "nobody's bot was ended for it"
    assert asked > 10, "some were running"
    assert not [one for one in busy.json("status")["workers"] if one["group"] == "agent" and one["state"] != "serving"]
