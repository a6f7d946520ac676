"""Measure the console's pages where there is much to show: 10,000 apps, 100,000 tasks, 2,000 people.

    python bench/console.py [--apps 10000] [--tasks 100000] [--people 2000] [--rounds 30] [--only REGEX]

A whole host of its own is filled while it is down, and started. Then each page that the console has is asked for on
the console's socket, one after the other, as an operator: the time from the request to the last octet of the page,
which console, API and store take together in the process `control`. The edge, which adds some tenths of a millisecond,
is not in it. ``cpu`` is that process's alone; on a busy machine it says more. Octets are a page's own, as they go over
the wire (compressed, where it is): styles and scripts come once.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import os
import re
import shutil
import socket
import statistics
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "support"))  # shared with the tests, which are no package

from installation import Installation  # noqa: E402
from places import NAMES, filled, patterns  # noqa: E402

GOAL = 20.0  # milliseconds of a page, median
PASSPHRASE = "correct horse battery"
SCHEDULE = "/tenants/{tenant:str}/tasks/schedules/{name:str} name"
TENANTS = 50  # beside the one that has half of everything
BATCH = 500
TICK = 1000 / os.sysconf("SC_CLK_TCK")  # milliseconds


async def fill(home: Path, apps: int, tasks: int, people: int) -> None:
    """Put so many of each into the store of a host that is down."""
    from serai.identity.descriptors import Tenant
    from serai.identity.people import Member, User
    from serai.services.apps.descriptors import App
    from serai.store import Put
    from serai.store.open import open_store

    store = open_store(f"sqlite:{home}/data/store/store.db")
    where = ["acme" if number % 2 else f"t{number % TENANTS:02}" for number in range(max(apps, tasks))]
    puts = [Put(f"t{number:02}", f"t{number:02}", Tenant(uid=5000 + number)) for number in range(0, TENANTS, 2)]
    puts += [Put(where[number], f"app{number:05}", App()) for number in range(apps)]
    for number in range(people):
        puts += [Put("", f"user{number:04}", User(email=f"user{number:04}@example.test"))]
        puts += [Put(where[number], f"user{number:04}", Member(role="developer"))]
    for start in range(0, len(puts), BATCH):
        await store.change("user:ada", "filled", puts[start : start + BATCH])
    for start in range(0, tasks, BATCH):
        await work(store, where[start : start + BATCH], start)
    await store.close()


async def work(store: object, where: list[str], start: int) -> None:
    """Insert tasks, and let nine of ten have run, one of a hundred in vain."""
    from serai.store import NewTask, Store
    from serai.store.tasks import Finish, Want

    assert isinstance(store, Store)
    new = [
        NewTask(
            function=f"work.{number % 7}", tenant=tenant, app=f"app{start + number % 100:05}", queue="bench",
            not_before=0.0 if number % 10 else time.time() + 9e6, channel=f"{tenant}/c{number}" if number % 3 else "",
        )
        for number, tenant in enumerate(where)
    ]  # fmt: skip
    await store.change("user:ada", "", new)
    rows, now = store.driver.tasks, time.time()
    if not start:
        await store.driver.write(lambda tx: rows.enlist(tx, "bench", ["bench"], now=now))
    want = Want(queues=("bench",), batch=BATCH, short=frozenset(f"work.{number}" for number in range(7)))
    got = await store.driver.write(partial(rows.exchange, bot="bench", finishes=[], want=want, now=now))
    back = [
        Finish(number=one.number, run=one.run, state="done" if at % 100 else "error")
        for at, one in enumerate(got.claimed)
    ]
    nothing = Want(queues=(), batch=0)
    await store.driver.write(partial(rows.exchange, bot="bench", finishes=back, want=nothing, now=now))


class Visitor:
    """Somebody who is signed in, at the console's socket."""

    def __init__(self, home: Path, socket_name: str) -> None:
        self._path = str(home / "run" / socket_name)
        self._cookies = ""
        self._line = http.client.HTTPConnection("console.localhost", timeout=60)

    def ask(self, path: str, method: str = "GET", body: str | None = None, **more: str) -> tuple[int, bytes]:
        """Return status and body as they came."""
        if self._line.sock is None:
            sock = socket.socket(socket.AF_UNIX)
            sock.connect(self._path)
            self._line.sock = sock
        fields = {"X-Forwarded-For": "192.0.2.7", "Accept": "text/html", "Accept-Encoding": "gzip", **more}
        if self._cookies:
            fields["Cookie"] = self._cookies
        self._line.request(method, path, body, fields)
        answer = self._line.getresponse()
        given = [line.partition(";")[0] for line in answer.headers.get_all("set-cookie") or ()]
        self._cookies = "; ".join([*filter(None, [self._cookies]), *given]) if method == "POST" else self._cookies
        return answer.status, answer.read()

    def sign_in(self) -> None:
        """Begin a session."""
        form = f"login=ada&password={PASSPHRASE.replace(' ', '+')}"
        kind = "application/x-www-form-urlencoded"
        status, text = self.ask("/sign-in", "POST", form, Origin="https://console.localhost", **{"Content-Type": kind})
        if status != 303:
            raise SystemExit(f"signing in was answered with {status}: {text[:500]!r}")


def cpu(pid: int) -> float:
    """Return the milliseconds that a process has computed."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * TICK


def prepare(site: Installation, options: argparse.Namespace) -> None:
    """Fill a host, and start it."""
    site.up()
    site.run("tenant", "create", "acme")
    link = site.run("user", "add", "ada", "--email", "ada@example.test", "--operator").stdout
    front = ("--url", f"https://api.localhost:{site.https}", "--ca", str(site.home / "data/tls/ca.pem"))
    site.run(*front, "accept", stdin=f"{link}{PASSPHRASE}\n")
    site.run("user", "add", "ben", "--email", "ben@example.test")
    site.run("member", "set", "ben", "owner", "--tenant", "acme")
    site.run("role", "set", "releaser", "--tenant", "acme", "--action", "app.promote")
    for _ in range(2):
        site.run("deploy", str(ROOT / "examples" / "static"), "--app", "shop", "--tenant", "acme")
    site.run("schedule", "put", "shop", "every 1d", "true", "--command", "--app", "shop", "--tenant", "acme")
    site.down()
    begin = time.perf_counter()
    asyncio.run(fill(site.home, options.apps, options.tasks, options.people))
    print(f"filled in {time.perf_counter() - begin:.0f} s", flush=True)
    site.up('modules."api.http".requests_each=100000')  # nobody else asks as often as this does
    time.sleep(options.settle)


def measure(visitor: Visitor, path: str, rounds: int, pid: int) -> tuple[int, float, float, float, int]:
    """Return a page's status, milliseconds (median, 95 of 100, of CPU), and octets."""
    status, text = visitor.ask(path)
    taken, before = [], cpu(pid)
    for _ in range(rounds):
        begin = time.perf_counter()
        status, text = visitor.ask(path)
        taken.append((time.perf_counter() - begin) * 1000)
    taken.sort()
    return status, statistics.median(taken), taken[int(len(taken) * 0.95)], (cpu(pid) - before) / rounds, len(text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--apps", type=int, default=10_000)
    parser.add_argument("--tasks", type=int, default=100_000)
    parser.add_argument("--people", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--settle", type=float, default=10.0)
    parser.add_argument("--only", default="")
    parser.add_argument("--keep", action="store_true", help="leave the host running, and say where")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="serai-bench-", dir="/var/tmp"))
    folder.chmod(0o755)
    site = Installation(folder / "home")
    try:
        prepare(site, options)
        show(site, options)
    finally:
        if options.keep:
            print(site.home, site.https)
        else:
            site.down()
            shutil.rmtree(folder)


def show(site: Installation, options: argparse.Namespace) -> None:
    """Print what each page takes."""
    workers = json.loads((site.home / "run" / "supervisor.json").read_text())["workers"]
    pid = next(worker["pid"] for worker in workers if worker["group"] == "control")
    visitor = Visitor(site.home, "console.sock")
    visitor.sign_in()
    task = site.json("task", "list", "--tenant", "acme", "--limit", "1")[0]["id"]
    values = {**NAMES, "task": task, SCHEDULE: "shop.task.shop"}
    slow, medians = [], []
    listed = [path for path in patterns() if re.search(options.only, path)]
    found = [
        measured
        for pattern in listed
        if (measured := (path := filled([pattern], values)[pattern], *measure(visitor, path, options.rounds, pid)))
    ]
    print(f"{'page':58} status  median     p95     cpu  octets")
    for path, status, median, most, spent, octets in sorted(found, key=lambda one: -one[2]):
        print(f"{path[:58]:58} {status:6} {median:7.1f} {most:7.1f} {spent:7.1f} {octets:7}")
        medians.append(median)
        slow += [path] if median > GOAL else []
    print(f"ratio: pages within {GOAL:g} ms {(len(found) - len(slow)) / len(found):.2f} (goal 1); slow: {slow}")
    middle = statistics.median(medians)
    print(f"ratio: of {GOAL:g} ms the slowest page takes {max(medians) / GOAL:.2f}, the middle one {middle / GOAL:.2f}")


if __name__ == "__main__":
    main()
