"""Compare reads through the API with a bare handler of its framework, and with FastAPI, SQLAlchemy's ORM and SQLite.

    python bench/api.py [--rounds 5] [--seconds 3] [--only one,list]

All are one process of uvicorn on uvloop, each behind an edge of its own with one worker; ours and FastAPI look a token
up for each request, ours authorises and logs, the bare handler returns the same octets without asking anybody. They
take turns; medians of what was measured within a round are compared, since the machine's noise is slower than that.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import http.client
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import api_servers as servers

PEERS = Path(__file__).parents[1] / ".cache" / "peers" / "bin" / "python"
CASES = {"one": "/v1/tenant/t042/t042", "list": f"/v1/tenant?limit={servers.COUNT}"}
GOALS = {"bare": 0.6, "fastapi": 3.0}


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
            self._start(
                [python, "-m", "uvicorn", "--app-dir", str(self.folder), "--uds", str(front), "--no-access-log",
                 "--log-level", "warning", "--loop", "uvloop", "--http", "httptools", f"{path.stem}:app"]
            )  # fmt: skip
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

    def stop(self) -> None:
        for child in self.children:
            child.terminate()
        for child in self.children:
            child.wait()


def wrk(server: Running, case: str, seconds: int, token: str) -> float:
    url = f"http://127.0.0.1:{server.port}{CASES[case]}"
    heads = ["-H", "Host: api.localhost", "-H", f"Authorization: Bearer {token}"]
    argv = ["wrk", "-t1", "-c32", f"-d{seconds}s", *heads, url]
    output = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in output or "Socket errors" in output:
        print(f"{case:5} {server.name:8} had errors:\n{output}")
    found = re.search(r"Requests/sec:\s+([0-9.]+)", output)
    return float(found[1]) if found else 0.0


def compare(peers: list[Running], case: str, rounds: int, seconds: int, token: str) -> list[str]:
    """Measure in turns, each round in the other order; return the ratios."""
    rates: list[dict[str, float]] = []
    for server in peers:
        wrk(server, case, 1, token)
    for number in range(rounds):
        rates.append({})
        for server in peers[:: -1 if number % 2 else 1]:
            rates[-1][server.name] = wrk(server, case, seconds, token)
            print(f"{case:5} {server.name:8} {rates[-1][server.name]:8.0f} requests/s", flush=True)
    ratios = {
        peer.name: statistics.median(each["serai"] / max(each[peer.name], 1) for each in rates) for peer in peers[1:]
    }
    return [f"ratio: {case} {ratio:.2f} x {name} (goal {GOALS[name]})" for name, ratio in ratios.items()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--only", default=",".join(CASES))
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="bench-api-"))
    started: list[Running] = []
    try:
        token = asyncio.run(fill(folder))
        started.append(ours := Running("serai", folder, sys.executable, token))
        for case, name in (("one", "one.json"), ("list", "page.json")):
            (folder / name).write_bytes(ours.get(case, token)[1])
        started.append(Running("bare", folder, sys.executable, token))
        if PEERS.exists() and (PEERS.parent / "fastapi").exists():
            started.append(Running("fastapi", folder, str(PEERS), token))
        goals = []
        for case in options.only.split(","):
            goals += compare(started, case, options.rounds, options.seconds, token)
        print("\n".join(goals))
    finally:
        for server in reversed(started):
            server.stop()
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
