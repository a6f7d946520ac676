"""Who runs the benchmark's tasks: each starts two workers, inserts tasks, and is gone at the end."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import tasks_work

HERE = Path(__file__).parent
PEERS = HERE.parent / ".cache" / "peers" / "bin"
WORKERS = 2


class Runner:
    """Two workers and their broker, in a folder of their own."""

    name = ""
    #: Tasks inserted for a measurement: some seconds' worth.
    noop = 3000
    nap = 2000

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="bench-tasks-"))
        self.folder.chmod(0o777)
        self._running: list[subprocess.Popen[bytes]] = []

    def commands(self) -> list[list[str | Path]]:
        """Return what starts the two workers; a peer's own command may start both."""
        raise NotImplementedError

    def insert(self, function: str, count: int) -> None:
        """Insert tasks."""
        raise NotImplementedError

    def sender(self, count: int, gap: float) -> Sequence[str | Path]:
        """Return the command that inserts tasks one by one and prints when."""
        raise NotImplementedError

    @property
    def environment(self) -> dict[str, str]:
        return os.environ | {"BENCH_DIR": str(self.folder), "PYTHONPATH": str(HERE)}

    def spawn(self, argv: Sequence[str | Path]) -> subprocess.Popen[bytes]:
        log = (self.folder / "log").open("ab")
        with log:
            process = subprocess.Popen(
                argv, env=self.environment, cwd=HERE, stdout=log, stderr=log, start_new_session=True
            )
        self._running.append(process)
        return process

    def call(self, argv: Sequence[str | Path]) -> str:
        done = subprocess.run(argv, env=self.environment, cwd=HERE, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{self.name}: {done.stderr[-2000:]}")
        return done.stdout

    def start(self) -> list[subprocess.Popen[bytes]]:
        return [self.spawn(command) for command in self.commands()]

    def rate(self, function: str, count: int) -> float:
        """Insert tasks, let the workers loose, and return how many they run in a second once they are warm."""
        for old in self.folder.glob("count-*"):
            old.unlink()
        self.insert(function, count)
        working = self.start()
        try:
            return steady(self.folder, count)
        finally:
            self.stop(working)

    def latencies(self, count: int, gap: float) -> list[float]:
        """Return the milliseconds from insertion to start, of tasks that come while all workers are idle."""
        (self.folder / "stamps").unlink(missing_ok=True)
        working = self.start()
        time.sleep(4)
        try:
            sent = self.call(self.sender(count, gap))
            time.sleep(1)
        finally:
            self.stop(working)
        begun = dict(line.split() for line in (self.folder / "stamps").read_text().splitlines())
        pairs = [line.split() for line in sent.splitlines()]
        return sorted((float(begun[number]) - float(when)) * 1e3 for number, when in pairs[5:] if number in begun)

    def stop(self, processes: Sequence[subprocess.Popen[bytes]]) -> None:
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
        for process in processes:
            try:
                process.wait(8)
            except subprocess.TimeoutExpired:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            self._running.remove(process)

    def close(self) -> None:
        self.stop(list(self._running))
        shutil.rmtree(self.folder, ignore_errors=True)


class Serai(Runner):
    """Our bots on a store; ``batch`` 1 makes a transaction for each task."""

    noop = 60_000
    nap = 4000

    def __init__(self, name: str, address: str = "", *, batch: int = 1000) -> None:
        super().__init__()
        self.name = name
        self.batch = batch
        self.address = address or str(self.folder / "store.db")
        self.bus = f"unix:{self.folder}/bus"
        self.spawn(self._command("bus"))
        if batch == 1:
            self.noop = 6000

    def _command(self, *words: object) -> list[str | Path]:
        return [sys.executable, HERE / "tasks_ours.py", self.address, self.bus, *map(str, words)]

    def commands(self) -> list[list[str | Path]]:
        return [self._command("bot", f"bot{number}", self.batch) for number in range(WORKERS)]

    def insert(self, function: str, count: int) -> None:
        self.call(self._command("insert", function, count))

    def insert_channels(self, count: int, each: int) -> None:
        self.call(self._command("channels", count, each))

    def sender(self, count: int, gap: float) -> Sequence[str | Path]:
        return self._command("stamp", count, gap)

    def claim(self, rounds: int, batch: int) -> float:
        return float(self.call(self._command("claim", rounds, batch)))


class Peer(Runner):
    """A peer's application; ``address`` is its broker's."""

    def __init__(self, address: str = "") -> None:
        super().__init__()
        self.address = address or str(self.folder / "queue.db")

    @property
    def environment(self) -> dict[str, str]:
        return super().environment | {"BENCH_PEER": self.name, "BENCH_ADDRESS": self.address}

    def insert(self, function: str, count: int) -> None:
        self.call([PEERS / "python", "tasks_peers.py", function, str(count)])

    def sender(self, count: int, gap: float) -> Sequence[str | Path]:
        return [PEERS / "python", "tasks_peers.py", "stamp", str(count), str(gap)]


class Celery(Peer):
    name = "celery"

    def commands(self) -> list[list[str | Path]]:
        quiet = ("--without-gossip", "--without-mingle", "--without-heartbeat", "-l", "ERROR")
        return [[PEERS / "celery", "-A", "tasks_peers", "worker", "-P", "prefork", "-c", str(WORKERS), *quiet]]


class Dramatiq(Peer):
    name = "dramatiq"
    noop = 10_000
    nap = 4000

    def commands(self) -> list[list[str | Path]]:
        return [[PEERS / "dramatiq", "tasks_peers", "-p", str(WORKERS), "-t", "1"]]


class Rq(Peer):
    name = "rq"

    def commands(self) -> list[list[str | Path]]:
        return [[PEERS / "rq", "worker", "-u", self.address, "-w", "rq.worker.SimpleWorker", "-q"]] * WORKERS


class Huey(Peer):
    name = "huey"
    noop = 8000
    nap = 4000

    def commands(self) -> list[list[str | Path]]:
        return [[PEERS / "huey_consumer", "tasks_peers.app", "-k", "process", "-w", str(WORKERS), "-q"]]


class Procrastinate(Peer):
    name = "procrastinate"

    def commands(self) -> list[list[str | Path]]:
        return [[PEERS / "procrastinate", "-a", "tasks_peers.app", "worker", "--concurrency", "1"]] * WORKERS

    def schema(self) -> None:
        self.call([PEERS / "python", "tasks_peers.py", "schema", "0"])


class Redis:
    """A server that writes each command down before it answers."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="bench-redis-"))
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.address = f"redis://127.0.0.1:{port}/0"
        words = f"--port {port} --bind 127.0.0.1 --appendonly yes --appendfsync always --dir {self.folder}".split()
        self._process = subprocess.Popen(["redis-server", *words, "--save", ""], stdout=subprocess.DEVNULL)
        for _ in range(100):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                return
            time.sleep(0.05)
        raise RuntimeError("redis-server does not answer")

    def close(self) -> None:
        self._process.terminate()
        self._process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def memory(process: subprocess.Popen[bytes]) -> float:
    """Return the MiB that a process occupies."""
    text = Path(f"/proc/{process.pid}/smaps_rollup").read_text()
    found = re.search(r"^Rss:\s+(\d+)", text, re.MULTILINE)
    return int(found[1]) / 1024 if found else 0.0


def steady(folder: Path, count: int) -> float:
    """Wait until all ran; measure from a tenth to nine tenths, so that neither starting nor ending counts."""
    low, high, deadline = count // 10, count * 9 // 10, time.monotonic() + 180
    first = last = (0, 0.0)
    while (done := tasks_work.counted(folder)) < count:
        now = time.monotonic()
        if done >= low and not first[0]:
            first = done, now
        if done <= high or not last[0]:
            last = done, now
        if now > deadline:
            raise TimeoutError(f"{done} of {count} in three minutes")
        time.sleep(0.002)
    if last[0] <= first[0]:  # too fast for our eyes
        last = count, time.monotonic()
    return (last[0] - first[0]) / (last[1] - first[1])
