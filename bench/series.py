"""Measure what numbers over time cost: processor, memory, disk; by app that is visited, and by app that is not.

    python bench/series.py [--apps 10000] [--active 100] [--hours 3] [--max-mib 256]

The module's own parts, without bus and clock: each second of simulated time two sources tell of the active apps (the
columns that requests touch, with eight buckets of latency), and every 15 s what the apps that run use changes. Of all
other apps that run, that is told once a minute. CPU time is this process's, the history's thread included.
"""

from __future__ import annotations

import argparse
import gc
import random
import tempfile
import time
from pathlib import Path

from serai.daemon import figures as f
from serai.daemon.figures import Telling, Told
from serai.services.series import answers
from serai.services.series.asking import Ask, AskGlance
from serai.services.series.lately import Board
from serai.services.series.recorder import HOST, SEEN, Recorder
from serai.store.open import open_series
from serai.store.series import History, ladder

LEVELS = ladder(3600, 86400, 7 * 86400, 365 * 86400)
BEGIN = 1_700_006_400


def memory() -> int:
    """Return the octets that this process alone uses."""
    gc.collect()
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines():
        if line.startswith(("Private_Dirty",)):
            return int(line.split()[1]) << 10
    return 0


def visited(number: int, chance: random.Random) -> Told:
    """Return what one worker tells of one visited app."""
    count = chance.randrange(5, 50)
    buckets = {f.BUCKETS + chance.randrange(3, 11): chance.randrange(1, 8) for _ in range(8)}
    columns = {f.REQUESTS + 2: count, f.REQUESTS + 4: 1, f.RECEIVED: count * 300, f.SENT: count * 9000, **buckets}
    return (f"t{number % 50}", f"app{number}", {**columns, f.LATENCY: count * chance.randrange(900, 4000)})


def used(number: int, chance: random.Random) -> Told:
    """Return what the agent tells of one app that runs."""
    values = {f.CPU: chance.randrange(500), f.MEMORY: 60_000_000 + chance.randrange(9_000_000), f.PROCESSES: 3}
    return (f"t{number % 50}", f"app{number}", {**values, f.INSTANCES: 1, f.RESTARTS: 0, f.DATA: 4096 * number})


def run(history: History, board: Board, recorder: Recorder, seconds: int, active: int, idle: int) -> None:
    """Let time pass."""
    chance = random.Random(1)
    for now in range(BEGIN, BEGIN + seconds):
        at = float(now)
        for worker in range(2 if active else 0):
            recorder.hear(Telling(f"edge.{worker}", [visited(each, chance) for each in range(active)], []), now, at)
        if now % 15 == 0 and active:
            recorder.hear(Telling("agent", [], [used(each, chance) for each in range(active)]), now, at)
        if idle:
            share = range(active + now % 60, active + idle, 60)
            recorder.hear(Telling("agent", [], [used(each, random.Random(each)) for each in share]), now, at)
        recorder.add(now, SEEN, {f.OBSERVED: 1})
        if now % 10 == 0:
            recorder.expire(at)
            for start, points in recorder.take(now - 2):
                board.window(start, points)
                history.write(start, points)
            while history.roll(now, 50):
                pass
            while history.trim(now):
                pass


def measure(title: str, options: argparse.Namespace, active: int, idle: int) -> None:
    """Print what so many apps cost."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "series.db"
        history = open_series(path, LEVELS, options.max_mib << 20)
        board, recorder = Board(), Recorder(10, 20_000)
        before, cpu = memory(), time.process_time()
        seconds = int(options.hours * 3600)
        run(history, board, recorder, seconds, active, idle)
        cpu = time.process_time() - cpu
        disk = sum(each.stat().st_size for each in Path(folder).iterdir())
        print(f"{title}: {cpu / seconds * 100:.2f} % of a core (the making of what is told included), ", end="")
        print(f"{(memory() - before) / 2**20:.1f} MiB, on disk {disk / 2**20:.1f} MiB, in use", end=" ")
        print(f"{history.used() / 2**20:.1f} MiB after {options.hours} h; kept {history.shortened:.0%}")
        if active:
            ask(history, board, recorder, BEGIN + seconds)
        history.close()


def ask(history: History, board: Board, recorder: Recorder, now: int) -> None:
    """Print how long answers take."""
    for span in (3600, 86400, 7 * 86400, 365 * 86400):
        for target in ("t1/app1", HOST):
            begin = time.process_time()
            wanted = Ask(target=target, since=now - span, until=now)
            found = answers.read(history, wanted, answers.held(recorder, target), now)
            took = (time.process_time() - begin) * 1000
            print(f"  {target} over {span} s: {took:.1f} ms, {len(found.columns[0])} points of {found.step} s")
    for order in ("name", "requests"):
        begin = time.process_time()
        answers.glance(board, recorder, AskGlance(order=order), 10, now)
        print(f"  50 at a glance by {order}: {(time.process_time() - begin) * 1000:.1f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--apps", type=int, default=10_000)
    parser.add_argument("--active", type=int, default=100)
    parser.add_argument("--hours", type=float, default=3)
    parser.add_argument("--max-mib", type=int, default=256)
    options = parser.parse_args()
    measure("nobody", options, 0, 0)
    measure(f"{options.active} visited", options, options.active, 0)
    measure(f"{options.apps - options.active} that only run", options, 0, options.apps - options.active)
    measure("both", options, options.active, options.apps - options.active)


if __name__ == "__main__":
    main()
