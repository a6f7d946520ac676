"""Compare the task manager with its peers: durable, two workers each, the same tasks, in turns.

    python bench/tasks.py [--rounds 3] [--quick] [--only noop,nap,latency,channels,claim,memory] [--kill MINUTES]

Celery, Dramatiq and RQ on Redis (appendfsync always), Huey on SQLite (fsync), procrastinate on PostgreSQL. Prints a
line for each measurement, and at the end lines ``ratio: …`` with what was to be reached. ``--kill`` instead torments
bots and clock for so long, and checks what their tasks wrote down.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import shutil
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import tasks_runners as runners

from serai.errors import SeraiError
from serai.store.cluster.private import PrivateServer, private_server

CASES = ("noop", "nap", "latency", "channels", "claim", "memory")


@contextlib.contextmanager
def everybody() -> Iterator[list[runners.Runner]]:
    """Make all runners that can be had here, and their servers."""
    with contextlib.ExitStack() as stack:
        made: list[runners.Runner] = [runners.Serai("serai"), runners.Serai("serai-single", batch=1)]
        if (runners.PEERS / "celery").exists() and shutil.which("redis-server"):
            for peer in (runners.Celery, runners.Dramatiq, runners.Rq):
                redis = runners.Redis()
                stack.callback(redis.close)
                made.append(peer(redis.address))
        if (runners.PEERS / "huey_consumer").exists():
            made.append(runners.Huey())
        with contextlib.suppress(SeraiError):
            server = private_server()
            stack.callback(server.remove)
            made += on_postgresql(server)
        for each in made:
            stack.callback(each.close)
        yield made


def on_postgresql(server: PrivateServer) -> list[runners.Runner]:
    made: list[runners.Runner] = [runners.Serai("serai-pg", server.address(server.database()))]
    if (runners.PEERS / "procrastinate").exists():
        peer = runners.Procrastinate(server.address(server.database()))
        peer.schema()
        made.append(peer)
    return made


def rates(made: Sequence[runners.Runner], case: str, rounds: int, share: float) -> dict[str, float]:
    """Return the median of each runner's tasks a second."""
    found: dict[str, list[float]] = {each.name: [] for each in made}
    for _ in range(rounds):
        for each in list(made):
            try:
                rate = each.rate(case, max(300, int(getattr(each, case) * share)))
            except (RuntimeError, TimeoutError) as error:
                print(f"{case:9} {each.name:14} failed: {error}")
                continue
            found[each.name].append(rate)
            print(f"{case:9} {each.name:14} {rate:9.0f} tasks/s", flush=True)
    return {name: statistics.median(values) for name, values in found.items() if values}


def compare(case: str, medians: dict[str, float]) -> list[str]:
    """Return the lines on a case; goals are of no-ops."""
    lines = [f"median: {case} {name} {rate:.0f} tasks/s" for name, rate in medians.items()]
    goals = case == "noop"
    redis = {name: medians[name] for name in ("celery", "dramatiq", "rq", "huey") if name in medians}
    if goals and "serai" in medians:
        lines.append(f"ratio: noop serai {medians['serai'] / 50_000:.2f} x 50,000 tasks/s (goal 1)")
    if redis:
        best = max(redis, key=lambda name: redis[name])
        for name, goal in (("serai", 10), ("serai-single", 1)):
            if name in medians:
                wanted = f" (goal {goal})" if goals else ""
                lines.append(f"ratio: {case} {name} {medians[name] / redis[best]:.2f} x {best}, the best peer{wanted}")
    if "serai-pg" in medians:
        if goals:
            lines.append(f"ratio: noop serai-pg {medians['serai-pg'] / 20_000:.2f} x 20,000 tasks/s (goal 1)")
        if peer := medians.get("procrastinate"):
            wanted = " (goal 20)" if goals else ""
            lines.append(f"ratio: {case} serai-pg {medians['serai-pg'] / peer:.2f} x procrastinate{wanted}")
    return lines


def latency(made: Sequence[runners.Runner], count: int) -> list[str]:
    lines = []
    goals = {"serai": "goals 2 and 30", "serai-pg": "goals 4 and 30"}
    for each in made:
        if each.name == "serai-single":
            continue
        try:
            found = each.latencies(count, 0.03)
        except RuntimeError as error:
            print(f"latency   {each.name:14} failed: {error}")
            continue
        p50, p99 = found[len(found) // 2], found[len(found) * 99 // 100]
        print(f"latency   {each.name:14} p50 {p50:.2f} ms, p99 {p99:.2f} ms of {len(found)}", flush=True)
        wanted = f" ({goals[each.name]})" if each.name in goals else ""
        lines.append(f"ratio: idle insertion to start, {each.name} p50 {p50:.2f} ms, p99 {p99:.2f} ms{wanted}")
    return lines


def channels(count: int, each: int) -> list[str]:
    ours = runners.Serai("serai")
    try:
        ours.insert_channels(count, each)
        rate = drain(ours, count * each)
    finally:
        ours.close()
    return [f"ratio: {count} channels of {each} ordered tasks {rate / 10_000:.2f} x 10,000 tasks/s (goal 1)"]


def drain(ours: runners.Serai, count: int) -> float:
    """Run what is there already."""
    working = ours.start()
    try:
        rate = runners.steady(ours.folder, count)
    finally:
        ours.stop(working)
    print(f"channels  {ours.name:14} {rate:9.0f} tasks/s", flush=True)
    return rate


def claim(few: int, many: int) -> list[str]:
    """Compare what an exchange of 100 tasks takes where few and where many wait."""
    taken = []
    for waiting in (few, many):
        ours = runners.Serai("serai")
        try:
            ours.insert("noop", waiting)
            taken.append(ours.claim(50, 100))
        finally:
            ours.close()
        print(f"claim     serai          {taken[-1]:9.2f} ms for 100 of {waiting} waiting", flush=True)
    return [f"ratio: claim at {many} waiting {taken[1] / taken[0]:.2f} x that at {few} (goal at most 2)"]


def memory() -> list[str]:
    """Return what a bot occupies after it has run some tasks."""
    ours = runners.Serai("serai")
    try:
        ours.insert("noop", 20_000)
        working = ours.start()
        runners.steady(ours.folder, 20_000)
        largest = max(runners.memory(process) for process in working)
        ours.stop(working)
    finally:
        ours.close()
    return [f"ratio: memory of a bot {largest:.0f} MiB (goal at most 60)"]


def kill(minutes: float, seed: int) -> None:
    """Torment bots and clock under load and check what happened; the long form of the test."""
    sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "tasks"))
    import matrix

    from serai.store.open import open_store
    from serai.tasks import Tasks

    folder = Path(tempfile.mkdtemp(prefix="bench-kill-"))

    async def run() -> dict[str, int]:
        store = open_store(folder / "store.db")
        machine = matrix.Machine(folder, bots=3)
        try:
            hurts = int(minutes * 60)
            await matrix.torment(store, machine, random.Random(seed), hurts=hurts, seconds=minutes * 120 + 60)
        finally:
            machine.end()
        found = await matrix.verify(Tasks(store), machine)
        await store.close()
        return found

    print(f"kill      seed {seed}: nothing lost, nothing twice at once, all in order: {asyncio.run(run())}")
    shutil.rmtree(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="fewer tasks, one round, 300,000 waiting")
    parser.add_argument("--only", default=",".join(CASES))
    parser.add_argument("--who", default="", help="names of runners, with commas; all where it is empty")
    parser.add_argument("--kill", type=float, default=0.0, metavar="MINUTES")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    if options.kill:
        kill(options.kill, options.seed)
        return
    cases = options.only.split(",")
    rounds, share = (1, 0.4) if options.quick else (options.rounds, 1.0)
    lines: list[str] = []
    with everybody() as all_of_them:
        who = options.who.split(",") if options.who else [each.name for each in all_of_them]
        made = [each for each in all_of_them if each.name in who]
        for case in ("noop", "nap"):
            if case in cases:
                lines += compare(case, rates(made, case, rounds, share))
        if "latency" in cases:
            lines += latency(made, 60 if options.quick else 200)
    if "channels" in cases:
        lines += channels(1000, 20 if options.quick else 100)
    if "claim" in cases:
        lines += claim(10_000, 300_000 if options.quick else 10_000_000)
    if "memory" in cases:
        lines += memory()
    print("\n".join(lines))


if __name__ == "__main__":
    main()
