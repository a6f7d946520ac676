"""See whether watch streams deliver all that two processes write, in order, in bounded memory.

    python bench/watch.py [--rate 2000] [--seconds 10] [--readers 3]

The API is one process on a store in SQLite; it serves the bus, too. Each writer is a process with a store of its own on
the same file: it writes half the rate, ten changes a transaction, and tells of them on the bus as all processes of a
host do. Readers follow by HTTP from the first change on; one more asks and never reads.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import closing, suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

TOGETHER = 10  # changes of a transaction
PATIENCE = 60.0  # seconds that readers have after the last change


async def write(folder: Path, name: str, rate: float, seconds: float) -> None:
    from serai.bus.open import open_bus
    from serai.identity.descriptors import Tenant
    from serai.store import Put
    from serai.store.open import open_store

    store, bus = open_store(f"sqlite:{folder}/store.db"), open_bus(f"unix:{folder}/bus.sock")
    numbers: list[int] = []
    store.on_commit.append(numbers.append)
    begin, count = time.monotonic(), 0
    while count < rate * seconds:
        await asyncio.sleep(max(0.0, count / rate - (time.monotonic() - begin)))
        names = [f"{name}{at}" for at in range(TOGETHER)]
        await store.change("bench", "", tuple(Put(one, one, Tenant(uid=count)) for one in names))
        await bus.publish("store.change", numbers[-1])
        count += TOGETHER
    print(f"{name} wrote {count} in {time.monotonic() - begin:.1f} s", flush=True)
    await store.close()
    await bus.close()


class Reader(threading.Thread):
    """Follow, and keep what came out of order and when the last one came."""

    def __init__(self, socket: Path, last: int) -> None:
        super().__init__(daemon=True)
        self._socket = socket
        self._last = last
        self.seen = 0
        self.wrong = 0
        self.ended = 0.0

    def run(self) -> None:
        from serai.api.client import Client

        with closing(Client(self._socket, timeout=PATIENCE).events("/v1/changes", {"after": 0})) as events:
            for _, number, _ in events:
                self.wrong += int(number) != self.seen + 1
                self.seen = int(number)
                if self.seen >= self._last:
                    self.ended = time.monotonic()
                    return


def memory(pid: int) -> float:
    """Return the PSS of a process in MiB."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def start(*argv: str) -> subprocess.Popen[bytes]:
    env = dict(os.environ) | {"PYTHONPATH": str(Path(__file__).parents[1] / "src")}
    return subprocess.Popen([sys.executable, *argv], env=env)


def measure(folder: Path, rate: float, seconds: float, readers: int) -> None:
    import socket

    api = start(str(Path(__file__).with_name("api_servers.py")), "bus", str(folder))
    path = folder / "api.sock"
    never = socket.socket(socket.AF_UNIX)
    try:
        for _ in range(300):
            with suppress(OSError):
                never.connect(str(path))
                break
            time.sleep(0.1)
        never.sendall(b"GET /v1/changes?after=0 HTTP/1.1\r\nhost: x\r\n\r\n")
        last = 2 * TOGETHER * -(-int(rate * seconds / 2) // TOGETHER)
        following = [Reader(path, last) for _ in range(readers)]
        for one in following:
            one.start()
        time.sleep(1.0)
        before = peak = memory(api.pid)
        writers = [start(__file__, "--write", str(folder), name, str(rate / 2), str(seconds)) for name in ("a", "b")]
        while any(one.poll() is None for one in writers):
            peak = max(peak, memory(api.pid))
            time.sleep(0.2)
        written = time.monotonic()
        for one in following:
            one.join(PATIENCE)
            late = one.ended - written if one.ended else float("nan")
            print(f"reader: {one.seen} of {last} changes, {one.wrong} out of order, the last {late:.2f} s after all")
        print(f"memory of the API: {before:.1f} MiB before, {peak:.1f} at most, {memory(api.pid):.1f} after")
    finally:
        never.close()
        api.terminate()
        api.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=2000)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--readers", type=int, default=3)
    parser.add_argument("--write", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.write:
        folder, name, rate, seconds = options.write
        asyncio.run(write(Path(folder), name, float(rate), float(seconds)))
        return
    folder = Path(tempfile.mkdtemp(prefix="bench-watch-"))
    try:
        measure(folder, options.rate, options.seconds, options.readers)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
