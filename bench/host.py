"""Measure a host: start to first answer, memory when idle, start of an instance, deploy with warm caches.

Memory is proportional (PSS), of the platform's own processes, shims included, with exactly three applications deployed
and running; it is taken after the deployments, when all that they needed was loaded, and after a start, and the larger
counts. The peer of an instance is the same program started bare. Times are medians of several runs. The code is
compiled first, as `make setup` leaves it.
"""

from __future__ import annotations

import argparse
import compileall
import http.client
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "support"))  # shared with the tests, which are no package

from installation import Installation  # noqa: E402
from ports import free_port  # noqa: E402

SETTLE = 30.0  # seconds
# Seconds, seconds, MB with the console and the API, milliseconds.
GOALS = {"start": 2.0, "deploy": 8.0, "idle": 150, "instance": 100}
SERVER = """
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Page(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *words):
        pass
ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Page).serve_forever()
"""


def processes(home: Path) -> list[tuple[str, int]]:
    """Return name and process ID of all that belong to a home and are no tenant's."""
    record = json.loads((home / "run" / "supervisor.json").read_text())
    found = [("supervisor", record["pid"]), *((worker["group"], worker["pid"]) for worker in record["workers"])]
    handles = sorted((home / "run" / "instances").glob("*/handle.json"))
    return found + [(f"shim of {path.parent.name}", json.loads(path.read_text())["pid"]) for path in handles]


def pss(pid: int) -> int:
    """Return a process's proportional set size, octets."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) * 1024


def idle(site: Installation, when: str) -> float:
    """Let a host settle, print what each of its processes occupies, and return the sum, MB."""
    time.sleep(SETTLE)
    sizes = [(name, pss(pid)) for name, pid in processes(site.home)]
    shims = sum(name.startswith("shim") for name, _ in sizes)
    if shims != 3:
        raise SystemExit(f"{shims} instances run, not 3")
    for name, size in sizes:
        print(f"  {name:30} {size / 2**20:6.1f} MiB")
    total = sum(size for _, size in sizes)
    print(f"  {when}: {len(sizes)} processes, {total / 2**20:.1f} MiB = {total / 1e6:.1f} MB")
    return total / 1e6


def first_answer(site: Installation) -> float:
    """Return seconds from `serai up` to an application's first answer."""
    began = time.perf_counter()
    site.up()
    while True:
        try:
            status = site.get("demo.localhost", "/one/").status
        except OSError:
            time.sleep(0.005)
            continue
        if status != 200:
            raise SystemExit(f"the application answered {status}")
        return time.perf_counter() - began


def bare(folder: Path) -> float:
    """Return seconds from starting the program to its first answer."""
    port = free_port()
    began = time.perf_counter()
    child = subprocess.Popen([sys.executable, "-c", SERVER], env={**os.environ, "PORT": str(port)}, cwd=folder)
    try:
        return answer_after(began, port)
    finally:
        child.kill()
        child.wait()


def answer_after(began: float, port: int) -> float:
    while True:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/")
            connection.getresponse().read()
            return time.perf_counter() - began
        except OSError:
            time.sleep(0.002)


def program(folder: Path, number: int) -> Path:
    """Write the program into a folder, each time as another one, and return it."""
    place = folder / "program"
    place.mkdir(exist_ok=True)
    (place / "app.py").write_text(f"{SERVER}# {number}\n")
    (place / "Procfile").write_text("web: python3 app.py\n")
    return place


def deploy(site: Installation, folder: Path, app: str) -> float:
    began = time.perf_counter()
    site.run("deploy", str(folder), "--app", app)
    return time.perf_counter() - began


def start(folder: Path) -> Installation:
    site = Installation(folder)
    site.up()
    site.run("tenant", "create", "demo")
    return site


def instances(folder: Path, runs: int) -> tuple[list[float], list[float], list[float]]:
    """Return seconds of deploys of the Flask example, of first requests for releases that don't run, and alone."""
    site = start(folder / "wakes")
    try:
        flask = [deploy(site, ROOT / "examples" / "flask", "flask") for _ in range(runs + 1)][1:]
        for number in range(runs + 1):
            deploy(site, program(folder, number), "bare")
        woken, alone = [], []
        for number in range(1, runs + 1):
            began = time.perf_counter()
            status = site.get("demo.localhost", f"/bare/{number}/").status
            woken.append(time.perf_counter() - began)
            if status != 200:
                raise SystemExit(f"release {number} answered {status}")
            alone.append(bare(folder))
        return flask, woken, alone
    finally:
        site.down()


def host(folder: Path, runs: int) -> tuple[list[float], float]:
    """Return seconds of starts to the first answer, and the memory of an idle host, MB."""
    site = start(folder / "home")
    try:
        for app, source in (("one", "flask"), ("two", ""), ("three", "flask")):
            deploy(site, ROOT / "examples" / source if source else program(folder, 0), app)
            site.get("demo.localhost", f"/{app}/")
        used = idle(site, "after the deployments")
        starts = []
        for _ in range(runs):
            site.down()
            starts.append(first_answer(site))
        return starts, max(used, idle(site, "after a start"))
    finally:
        site.down()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    compileall.compile_dir(ROOT / "src" / "serai", quiet=2)
    with tempfile.TemporaryDirectory(prefix="serai-bench-", dir="/var/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        starts, used = host(folder, runs)
        flask, woken, alone = (statistics.median(each) for each in instances(folder, runs))
    print(f"start to first answer: {statistics.median(starts):.2f} s (goal {GOALS['start']:g})")
    print(f"deploy of examples/flask, caches warm: {flask:.2f} s (goal {GOALS['deploy']:g})")
    print(f"idle with three applications: {used:.1f} MB PSS = {used / 1.048576:.1f} MiB (goal {GOALS['idle']} MB)")
    more = (woken - alone) * 1000
    print(f"program alone {alone * 1000:.0f} ms, as an instance {more:.0f} ms more (goal {GOALS['instance']})")
    print(f"ratio: {woken / alone:.2f}")


if __name__ == "__main__":
    main()
