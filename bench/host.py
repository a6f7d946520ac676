"""Measure a host: start to first answer, memory when idle, start of an instance, deploy with warm caches.

The peer of an instance is the same program started bare. Medians of several runs; memory is proportional (PSS) and
counts the platform's processes only, shims included.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))

from installation import Installation, free_port  # noqa: E402  (shared with the tests, which are no package)

SERVER = """
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Page(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Page).serve_forever()
"""


def pss(home: Path) -> dict[int, float]:
    """Return MiB by process of the platform: all that belong to its home and are no tenant's."""
    record = json.loads((home / "run" / "supervisor.json").read_text())
    pids = {record["pid"], *(worker["pid"] for worker in record["workers"])}
    pids |= {json.loads(path.read_text())["pid"] for path in (home / "run" / "instances").glob("*/handle.json")}
    sizes = {}
    for pid in pids:
        try:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:
            continue
        sizes[pid] = next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")) / 1024
    return sizes


def first_answer(site: Installation) -> float:
    began = time.perf_counter()
    site.up()
    while True:
        try:
            site.get("demo.localhost", "/one/")
            return time.perf_counter() - began
        except OSError:
            time.sleep(0.005)


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
    import http.client

    while True:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/")
            connection.getresponse().read()
            return time.perf_counter() - began
        except OSError:
            time.sleep(0.002)


def instance(site: Installation, releases: int) -> list[float]:
    """Return seconds from the first request for a release that does not run to its answer, one per release."""
    times = []
    for number in range(1, releases + 1):
        began = time.perf_counter()
        status = site.get("demo.localhost", f"/bare/{number}/").status
        times.append(time.perf_counter() - began)
        if status != 200:
            raise SystemExit(f"release {number} answered {status}")
    return times


def deploy(site: Installation, folder: Path, app: str) -> float:
    began = time.perf_counter()
    site.run("deploy", str(folder), "--app", app)
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory(prefix="serai-bench-", dir="/var/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        site = Installation(folder / "home")
        try:
            site.up()
            site.run("tenant", "create", "demo")
            program = folder / "program"
            program.mkdir()
            (program / "app.py").write_text(SERVER)
            (program / "Procfile").write_text("web: python3 app.py\n")
            for _ in range(runs + 1):
                deploy(site, program, "bare")
            wakes = instance(site, runs)
            flask = [deploy(site, ROOT / "examples" / "flask", "one") for _ in range(runs + 1)][1:]
            deploy(site, ROOT / "examples" / "static", "two")
            deploy(site, ROOT / "examples" / "flask", "three")
            starts = []
            for _ in range(runs):
                site.down()
                starts.append(first_answer(site))
            time.sleep(30)
            sizes = pss(site.home)
            alone = statistics.median(bare(folder) for _ in range(runs))
            woken = statistics.median(wakes)
        finally:
            site.remove()
    print(f"start to first answer: {statistics.median(starts):.2f} s (goal 2)")
    print(f"deploy of examples/flask, caches warm: {statistics.median(flask):.2f} s (goal 8)")
    print(f"idle, {len(sizes)} processes: {sum(sizes.values()):.0f} MiB PSS (goal 150)")
    print(f"program alone {alone * 1000:.0f} ms, as an instance {woken * 1000:.0f} ms (goal: 100 ms more)")
    print(f"ratio: {woken / alone:.2f}")


if __name__ == "__main__":
    main()
