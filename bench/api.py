"""Compare reads through the API with a bare handler of its framework, and with FastAPI, SQLAlchemy's ORM and SQLite.

    python bench/api.py [--rounds 5] [--seconds 3] [--only one,list] [--writes 0]

Each is one process of uvicorn on uvloop. Ours and FastAPI are asked through an edge of their own with one worker, and
look a token up for each request; ours also authorises and counts. The bare handler returns the same octets without
asking anybody, and is asked in two ways:

- ``direct``, without an edge: nothing but the framework, so that edge, authorisation and audit are all charged to us.
  This is the goal's reading, the stricter one.
- ``bare``, through an edge like ours: compares the two programs behind it alone.

All take turns; medians of what was measured within a round are compared, since the machine's noise is slower than that.
Ratios are of requests a second, and of CPU time per request, of the edge and the server together (that of the load
generator left out): the edge has a core of its own where there is one, and on a busy machine the latter says more.
``--writes`` are changes a second that are made to our store meanwhile, each of which ends what is kept of answers.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import http.client
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import api_servers as servers

PEERS = Path(__file__).parents[1] / ".cache" / "peers" / "bin" / "python"
CASES = {"one": "/v1/tenant/t042/t042", "list": f"/v1/tenant?limit={servers.COUNT}"}
GOALS = {"direct": 0.6, "bare": 0.6, "fastapi": 3.0}
TICK = 1 / os.sysconf("SC_CLK_TCK")  # seconds


async def fill(folder: Path) -> str:
    """Fill our store; return an operator's token."""
    from serai.identity import Grant, Principal
    from serai.identity.descriptors import Tenant
    from serai.identity.directory import Directory
    from serai.identity.people import Member, User
    from serai.identity.principals import Scope
    from serai.identity.tokens import issue
    from serai.store.open import open_store

    store = open_store(f"sqlite:{folder}/store.db")
    for number in range(servers.COUNT):
        await store.put("bench", "", f"t{number:03}", f"t{number:03}", Tenant(uid=number, title="A shop"))
    await store.put("bench", "", "", "ops", User(email="ops@example.com"))
    await store.put("bench", "", "", "ops", Member(role="operator"))
    directory = Directory(store)
    await directory.open()
    maker = Principal(kind="user", name="ops", user="ops", grants=(Grant("operator"),))
    token = await issue(store, directory, maker, name="bench", scope=Scope(), now=time.time())
    await store.close()
    return token


class Running:
    """One server and the edge before it."""

    def __init__(self, name: str, folder: Path, python: str, token: str) -> None:
        self.name = name
        self.folder = folder / name
        self.folder.mkdir()
        self.children: list[subprocess.Popen[bytes]] = []
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        front = self.folder / "front.sock"
        here = str(Path(servers.__file__))
        if name == "serai":
            shutil.copy(folder / "store.db", self.folder / "store.db")
            self._start([sys.executable, here, "api", str(self.folder)])
        else:
            for page in folder.glob("*.json"):
                shutil.copy(page, self.folder)
            digest = hashlib.sha256(f"Bearer {token}".encode()).hexdigest()
            path = servers.write_peer(name, self.folder, digest)
            where = ["--port", str(self.port)] if name == "direct" else ["--uds", str(front)]
            self._start(
                [python, "-m", "uvicorn", "--app-dir", str(self.folder), *where, "--no-access-log",
                 "--log-level", "warning", "--loop", "uvloop", "--http", "httptools", f"{path.stem}:app"]
            )  # fmt: skip
        if name != "direct":
            self._start([sys.executable, here, "edge", str(self.folder), str(front), str(self.port)])
        self._wait(token)

    def _start(self, argv: list[str]) -> None:
        self.children.append(
            subprocess.Popen(
                argv, cwd=self.folder, env=dict(os.environ) | {"PYTHONPATH": str(Path(__file__).parents[1] / "src")}
            )
        )

    def _wait(self, token: str) -> None:
        for _ in range(300):
            with suppress(OSError, http.client.HTTPException):
                if self.get("one", token)[0] == 200:
                    return
            time.sleep(0.1)
        raise SystemExit(f"{self.name} does not answer")

    def get(self, case: str, token: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request("GET", CASES[case], headers={"Host": "api.localhost", "Authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        return answer.status, answer.read()

    def put(self, token: str, number: int) -> None:
        """Change something of another kind than what is read."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        fields = {"Host": "api.localhost", "Authorization": f"Bearer {token}"}
        body = json.dumps({"email": f"b{number}@example.com"})
        connection.request("PUT", "/v1/user/-/bench", body=body, headers=fields)
        assert connection.getresponse().status == 200

    def cpu(self) -> float:
        """Return the CPU time that its processes took, in seconds."""
        stats = [Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split() for child in self.children]
        return sum(int(each[11]) + int(each[12]) for each in stats) * TICK

    def stop(self) -> None:
        for child in self.children:
            child.terminate()
        for child in self.children:
            child.wait()


def wrk(server: Running, case: str, seconds: int, token: str) -> tuple[float, float]:
    """Return requests a second, and requests by second of CPU time."""
    url = f"http://127.0.0.1:{server.port}{CASES[case]}"
    heads = ["-H", "Host: api.localhost", "-H", f"Authorization: Bearer {token}"]
    argv = ["wrk", "-t1", "-c32", f"-d{seconds}s", *heads, url]
    before = server.cpu()
    output = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    spent = server.cpu() - before
    if "Non-2xx" in output or "Socket errors" in output:
        print(f"{case:5} {server.name:8} had errors:\n{output}")
    rate = re.search(r"Requests/sec:\s+([0-9.]+)", output)
    count = re.search(r"(\d+) requests in", output)
    return (float(rate[1]), int(count[1]) / max(spent, TICK)) if rate and count else (0.0, 0.0)


def compare(peers: list[Running], case: str, rounds: int, seconds: int, token: str) -> list[str]:
    """Measure in turns, each round in the other order; return the ratios."""
    found: list[dict[str, tuple[float, float]]] = []
    for server in peers:
        wrk(server, case, 1, token)
    for number in range(rounds):
        found.append({})
        for server in peers[:: -1 if number % 2 else 1]:
            found[-1][server.name] = rate, each = wrk(server, case, seconds, token)
            print(f"{case:5} {server.name:8} {rate:8.0f} requests/s {1e6 / max(each, 1):8.0f} us CPU each", flush=True)
    lines = []
    for peer in peers[1:]:
        pairs = [(each["serai"], each[peer.name]) for each in found]
        rate, cpu = (statistics.median(ours[at] / max(theirs[at], 1) for ours, theirs in pairs) for at in (0, 1))
        lines.append(f"ratio: {case} {rate:.2f} x {peer.name}, by CPU time {cpu:.2f} x (goal {GOALS[peer.name]})")
    return lines


@contextmanager
def writing(server: Running, token: str, rate: float) -> Iterator[None]:
    """Change something so many times a second."""
    ended = threading.Event()

    def write() -> None:
        number = 0
        while not ended.wait(1 / rate):
            server.put(token, number := number + 1)

    thread = threading.Thread(target=write)
    if rate:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        if rate:
            thread.join()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--only", default=",".join(CASES))
    parser.add_argument("--writes", type=float, default=0.0)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="bench-api-"))
    started: list[Running] = []
    try:
        token = asyncio.run(fill(folder))
        started.append(ours := Running("serai", folder, sys.executable, token))
        for case, name in (("one", "one.json"), ("list", "page.json")):
            (folder / name).write_bytes(ours.get(case, token)[1])
        started += [Running(name, folder, sys.executable, token) for name in ("direct", "bare")]
        if PEERS.exists() and (PEERS.parent / "fastapi").exists():
            started.append(Running("fastapi", folder, str(PEERS), token))
        goals = []
        with writing(ours, token, options.writes):
            for case in options.only.split(","):
                goals += compare(started, case, options.rounds, options.seconds, token)
        print("\n".join(goals))
    finally:
        for server in reversed(started):
            server.stop()
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
