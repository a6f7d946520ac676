"""Measure the replica with 1,000,000 descriptors: look-ups, snapshot, size, and when workers see a change.

The peer is the store itself asked in process: a SQLite primary-key read of the same record, decoded alike.
Run: ``python bench/replica.py [--descriptors N] [--workers N]``. Ends with ``ratio:`` (peer's p50 by ours).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from serai.cloud.descriptors import Instance
from serai.store import Put, Replica, Store, codec
from serai.store.contract import Record
from serai.store.embedded import records
from serai.store.fill import Filler
from serai.store.open import open_store

LOOKUPS = 200_000
CHANGES = 200


def spec(n: int) -> Instance:
    return Instance(app=f"app{n % 10}", release=3, host="host-1", state="ready", connector=f"/run/serai/instances/{n}")


def where(n: int) -> tuple[str, str]:
    return f"tenant{n // 10:06}", f"app{n % 10}.3.web.0"


async def fill(store: Store, count: int) -> int:
    size = 0
    for start in range(0, count, 5000):
        puts = [Put(*where(n), spec(n)) for n in range(start, min(start + 5000, count))]
        size += sum(len(codec.encode(put.spec)) for put in puts)
        await store.change("user:bench", "fill", puts)
    return size


def percentiles(nanoseconds: list[int]) -> tuple[float, float]:
    """Return p50 and p99 in microseconds."""
    nanoseconds.sort()
    return nanoseconds[len(nanoseconds) // 2] / 1e3, nanoseconds[len(nanoseconds) * 99 // 100] / 1e3


def look_up(folder: Path, count: int) -> None:
    """Run in a worker's process of its own: print (p50, p99) of our look-ups."""
    replica = Replica(folder)
    keys = [where(random.randrange(count)) for _ in range(LOOKUPS)]
    taken = []
    for tenant, name in keys:
        started = time.perf_counter_ns()
        found = replica.get(Instance, tenant, name)
        taken.append(time.perf_counter_ns() - started)
        assert found is not None
    print(json.dumps(percentiles(taken)))


def look_up_peer(path: Path, count: int) -> tuple[float, float]:
    connection = sqlite3.connect(path, isolation_level=None)
    cursor = connection.cursor()
    keys = [where(random.randrange(count)) for _ in range(LOOKUPS // 4)]
    taken = []
    for tenant, name in keys:
        started = time.perf_counter_ns()
        row = records.get(cursor, ("instance", tenant, name))
        assert row is not None
        typed = codec.decode(Instance, row.schema, row.spec)
        Record(row.kind, row.tenant, row.name, row.version, row.change, typed, row.spec)
        taken.append(time.perf_counter_ns() - started)
    connection.close()
    return percentiles(taken)


def watch(folder: Path, first: int, last: int) -> None:
    """Run in a worker's process: print when (monotonic seconds) each change was there, looking each millisecond."""
    replica = Replica(folder)
    seen: dict[int, float] = {}
    at = first
    print("ready", flush=True)
    while at < last:
        now_at = replica.change()
        for number in range(at + 1, now_at + 1):
            seen[number] = time.monotonic()
        at = now_at
        time.sleep(0.001)
    print(json.dumps(seen))


async def visible(store: Store, filler: Filler, folder: Path, workers: int) -> list[float]:
    first = await store.last_change()
    running = asyncio.create_task(filler.run())
    store.on_commit.append(lambda _number: filler.nudge())
    arguments = [sys.executable, __file__, "--watch", str(folder), str(first), str(first + CHANGES)]
    watchers = [await asyncio.create_subprocess_exec(*arguments, stdout=subprocess.PIPE) for _ in range(workers)]
    for watcher in watchers:
        await watcher.stdout.readline()
    committed: dict[int, float] = {}
    for n in range(CHANGES):
        started = time.monotonic()
        number = await store.put("user:bench", "see", *where(n), spec(n))
        committed[number] = started
        await asyncio.sleep(0.01)
    waits = []
    for watcher in watchers:
        out, _ = await watcher.communicate()
        waits += [(seen - committed[int(number)]) * 1e3 for number, seen in json.loads(out).items()]
    running.cancel()
    return sorted(waits)


async def main(count: int, workers: int) -> None:
    folder = Path(tempfile.mkdtemp(prefix="bench-replica-"))
    try:
        store = open_store(folder / "store.db")
        started = time.monotonic()
        octets = await fill(store, count)
        print(f"store: {count} descriptors in {time.monotonic() - started:.1f} s")
        replica = Replica(folder / "replica", writable=True)
        filler = Filler(store, replica)
        started = time.monotonic()
        await filler.pull()
        print(f"snapshot of {count}: {time.monotonic() - started:.1f} s (at most 60)")
        disk = sum(file.stat().st_blocks * 512 for file in replica.folder.iterdir())
        print(f"size: {octets / count:.0f} octets of spec, {(disk - octets) / count:.0f} over that each (at most 300)")
        out = subprocess.run(
            [sys.executable, __file__, "--look-up", str(replica.folder), str(count)], check=True, stdout=subprocess.PIPE
        )
        ours = json.loads(out.stdout)
        print(f"look-up: p50 {ours[0]:.2f} µs (at most 5), p99 {ours[1]:.2f} µs")
        peer = look_up_peer(folder / "store.db", count)
        print(f"peer, SQLite by primary key: p50 {peer[0]:.2f} µs, p99 {peer[1]:.2f} µs")
        waits = await visible(store, filler, replica.folder, workers)
        print(
            f"change visible to {workers} workers: p50 {waits[len(waits) // 2]:.1f} ms, "
            f"p99 {waits[len(waits) * 99 // 100]:.1f} ms (at most 250), worst {waits[-1]:.1f} ms"
        )
        await filler.close()
        await store.close()
        replica.close()
        print(f"ratio: {peer[0] / ours[0]:.2f}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--look-up"]:
        look_up(Path(sys.argv[2]), int(sys.argv[3]))
    elif sys.argv[1:2] == ["--watch"]:
        watch(Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
    else:
        parser = argparse.ArgumentParser()
        parser.add_argument("--descriptors", type=int, default=1_000_000)
        parser.add_argument("--workers", type=int, default=4)
        given = parser.parse_args()
        asyncio.run(main(given.descriptors, given.workers))
