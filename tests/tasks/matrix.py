"""Processes that are killed and stopped at random under load, and a check of what their tasks wrote down themselves."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import random
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from msgspec.structs import replace

from serai.errors import UnavailableError
from serai.store import NewTask, Store
from serai.store.retry import Patience, repeat
from serai.store.tasks import Filter, Task
from serai.tasks import Tasks

HERE = Path(__file__).parent
LEASE = 1.5
STUCK = 240  # seconds after which nothing comes to its end any more, on a machine however busy
_BACKLOG = 100
_UNTIL_BUSY = 4.0  # seconds to wait until all bots are at work before somebody is hurt
_PATIENCE = Patience(attempts=40)
#: Where a process of that name is started, as its network goes.
Inside = Callable[[str], contextlib.AbstractContextManager[Any]]
LIVE = ("to_do", "is_processing", "to_cancel")


class Machine:
    """Some bots and a clock; whoever dies is started again, and remembered with the time at which it was dead."""

    def __init__(
        self, folder: Path, bots: int, *, store: str = "", lease: float = LEASE, inside: Inside = contextlib.nullcontext
    ) -> None:
        self.folder = folder
        self.bots = bots
        self._inside = inside
        self.ledger = folder / "ledger"
        self.dead: dict[int, float] = {}  # pid to the time after which it can't have done anything
        self.killed: list[str] = []  # what was done to whom
        self.more: list[Callable[[], str]] = []  # further harm; each says what it did
        self.share = 0.25  # how much of all harm that is
        self.long = 0.0  # how many of the tasks outlast a lease
        self._store = store or str(folder / "store.db")
        self._lease = str(lease)
        self._argv: dict[str, list[Any]] = {}
        self._wake: dict[str, float] = {}  # who is stopped, and until when
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        for n in range(bots):
            self.join(f"bot{n}")
        self.join("clock")

    def join(self, name: str) -> None:
        """Start another one."""
        if name == "clock":
            self._argv[name] = [HERE / "clock_process.py", self._store, self._lease]
        else:
            self._argv[name] = [HERE / "bot_process.py", self._store, self.ledger, name, self._lease]
        self.processes[name] = self._start(name)

    def tend(self) -> None:
        """Wake whose time came, and start anew who is dead."""
        for name, process in self.processes.items():
            if process.poll() is not None:
                self.dead[process.pid] = time.monotonic()
                self._wake.pop(name, None)
                self.processes[name] = self._start(name)
            elif self._wake.get(name, float("inf")) <= time.monotonic():
                process.send_signal(signal.SIGCONT)
                del self._wake[name]

    def kill(self, name: str) -> None:
        """Kill a process, whatever it does."""
        self.killed.append(f"SIGKILL {name}")
        self.processes[name].kill()

    def stop(self, name: str, seconds: float) -> None:
        """Stop a process; it goes on after some time, if it still lives."""
        self.killed.append(f"SIGSTOP {name} {seconds:.2f}")
        self.processes[name].send_signal(signal.SIGSTOP)
        self._wake[name] = time.monotonic() + seconds

    def hurt(self, chance: random.Random) -> None:
        """Do something to somebody."""
        if self.more and chance.random() < self.share:
            self.killed.append(chance.choice(self.more)())
            return
        name = chance.choice(list(self.processes))
        if chance.random() < 0.5:
            self.kill(name)
        else:  # within a lease, and far beyond it
            self.stop(name, chance.choice((0.3, 0.5, 2.0, 3.0)) * LEASE)

    def end(self) -> None:
        """Kill all."""
        for process in self.processes.values():
            process.kill()
            process.wait()
            self.dead[process.pid] = time.monotonic()

    def _start(self, name: str) -> subprocess.Popen[bytes]:
        with self._inside(name):
            return subprocess.Popen([sys.executable, *self._argv[name]], env=os.environ | {"PYTHONPATH": _path()})


def new_tasks(machine: Machine, chance: random.Random, count: int) -> list[NewTask]:
    """Return tasks of all sorts, many of them in channels."""

    def one(n: int) -> NewTask:
        seconds = LEASE * chance.uniform(1.2, 2.0) if chance.random() < machine.long else chance.uniform(0, 0.3)
        function = chance.choices(("blink", "step", "grind", "apart"), (20, 8, 4, 2))[0]
        arguments: dict[str, Any] = {} if function == "blink" else {"seconds": seconds}
        if function == "apart":
            arguments["ledger"] = str(machine.ledger)
        channel = f"c{n % 8}" if chance.random() < 0.3 else ""
        return NewTask(function=function, arguments=arguments, channel=channel, tenant=f"t{n % 3}")

    return [one(n) for n in range(count)]


async def torment(store: Store, machine: Machine, chance: random.Random, *, hurts: int, seconds: float = STUCK) -> int:
    """Keep the bots busy while somebody is hurt now and then, and wait until all is over; return how many tasks."""
    inserted = 0
    hurt_at = time.monotonic() + 1.0
    async with asyncio.timeout(seconds):
        while hurts or await _live(store, 1):
            machine.tend()
            if hurts and not await _live(store, _BACKLOG):
                new = new_tasks(machine, chance, _BACKLOG)
                with contextlib.suppress(UnavailableError):  # it may have been done all the same
                    await store.change("user:x", "load", new)
                    inserted += len(new)
            # Who is idle, or only starts, as they do for long on a busy machine, has nothing to lose.
            waited = time.monotonic() - hurt_at
            if hurts and waited > 0 and (waited > _UNTIL_BUSY or await _at_work(store) >= machine.bots):
                machine.hurt(chance)
                hurts -= 1
                hurt_at = time.monotonic() + chance.uniform(0.5, 1.5)
            await asyncio.sleep(0.01)
    return inserted


class Tormented(Protocol):
    """What was hurt: see `Machine`."""

    ledger: Path
    dead: dict[int, float]
    killed: list[str]


async def verify(tasks: Tasks, machine: Tormented, wanted: Filter | None = None) -> dict[str, int]:
    """Compare the store with the ledger; return what there was of everything."""
    listed = await every(tasks, wanted or Filter())
    runs = runs_of(machine.ledger, machine.dead)
    assert {task.state for task in listed} <= {"done", "error"}, "a row is stuck"
    reruns = losses = 0
    for task in listed:
        spans = sorted(runs.get(task.id, []))
        assert spans or task.state == "error", f"{task.id} was lost"
        assert all(end <= start for (_, end), (start, _) in itertools.pairwise(spans)), f"{task.id} ran twice at once"
        lost = handed = 0
        if task.run > 1 or task.state == "error":
            story = await tasks.story(task.id)
            lost = sum("lease lost" in line.why for line in story)
            handed = sum("handed back" in line.why for line in story)
            assert task.run - (task.state == "done") == lost + handed, f"a run of {task.id} is not explained: {story}"
        assert task.state == "done" or task.lost == lost == 3, f"{task.id}: {task.error}"
        reruns, losses = reruns + task.run - 1, losses + lost
    check_channels(listed, runs)
    return {"tasks": len(listed), "reruns": reruns, "losses": losses, "hurt": len(machine.killed)}


def check_channels(listed: list[Task], runs: dict[str, list[tuple[float, float]]]) -> None:
    """Look whether each task of a channel began only when those before it had ended for good."""
    channels: defaultdict[str, list[Task]] = defaultdict(list)
    for task in sorted(listed, key=lambda task: task.number):
        if task.channel and runs.get(task.id):
            channels[task.channel].append(task)
    for name, ordered in channels.items():
        for before, after in itertools.pairwise(ordered):
            ended = max(end for _, end in runs[before.id])
            assert ended <= min(start for start, _ in runs[after.id]), f"{name} ran out of order"


def runs_of(ledger: Path, dead: dict[int, float]) -> dict[str, list[tuple[float, float]]]:
    """Return when each task ran, by task.

    A run without an end went on until it said for the last time that it lived, or until its process was dead.
    """
    begun: dict[tuple[str, str], tuple[int, float, float]] = {}
    runs: defaultdict[str, list[tuple[float, float]]] = defaultdict(list)
    for line in ledger.read_text().splitlines():
        what, identity, run, pid, when = line.split()
        if what == "begin":
            begun[identity, run] = int(pid), float(when), 0.0
        elif what == "alive":
            _, start, _ = begun[identity, run]
            begun[identity, run] = int(pid), start, float(when)
        else:
            runs[identity].append((begun.pop((identity, run))[1], float(when)))
    for (identity, _), (pid, start, alive) in begun.items():
        runs[identity].append((start, alive or dead[pid]))
    return runs


async def every(tasks: Tasks, wanted: Filter) -> list[Task]:
    """Return all tasks that are wanted."""
    found: list[Task] = []
    while page := await tasks.find(replace(wanted, before=found[-1].number if found else None, limit=1000)):
        found += page
    return found


async def _live(store: Store, count: int) -> bool:
    """Tell whether so many tasks are not over, as of one moment."""
    rows = store.driver.tasks

    def look(tx: Any) -> int:
        return sum(len(rows.find(tx, Filter(state=state, limit=count))) for state in LIVE)

    return await repeat(_PATIENCE, lambda: store.driver.read(look)) >= count


async def _at_work(store: Store) -> int:
    """Return how many bots hold tasks."""
    rows = store.driver.tasks
    wanted = Filter(state="is_processing", limit=_BACKLOG)
    return len(
        {row.bot for row in await repeat(_PATIENCE, lambda: store.driver.read(lambda tx: rows.find(tx, wanted)))}
    )


def _path() -> str:
    return os.pathsep.join(each for each in sys.path if each)
