"""Count what visitors notice while the platform changes under them: nothing, or it is a fault.

wrk runs with keep-alive, then with a new connection for each request, while ten times each a release is switched, an
app is scaled up and down, the configuration is reloaded, and the code is upgraded.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "support"))  # shared with the tests, which are no package

from installation import Installation  # noqa: E402

CLOSE = 'wrk.headers["Connection"] = "close"\n'


class Load(threading.Thread):
    """Run wrk again and again until told to stop, and add up what it says."""

    def __init__(self, url: str, host: str, script: Path | None) -> None:
        super().__init__(daemon=True)
        self.command = ["wrk", "-t1", "-c16", "-d2s", "--timeout", "10s", "-H", f"Host: {host}", url]
        if script:
            self.command[1:1] = ["-s", str(script)]
        self.requests = self.failed = 0
        self.lines: list[str] = []
        self.over = threading.Event()

    def run(self) -> None:
        while not self.over.is_set():
            text = subprocess.run(self.command, capture_output=True, text=True, check=False).stdout
            if found := re.search(r"(\d+) requests in", text):
                self.requests += int(found[1])
            for line in text.splitlines():
                if "Socket errors" in line or "Non-2xx" in line:
                    self.failed += sum(map(int, re.findall(r"\d+", line)))
                    self.lines.append(line.strip())

    def stop(self) -> None:
        self.over.set()
        self.join()


def under_load(name: str, site: Installation, times: int, change: Callable[[int], None], script: Path | None) -> int:
    load = Load(f"http://127.0.0.1:{site.http}/hello/", "demo.localhost", script)
    load.start()
    try:
        for number in range(times):
            change(number)
    finally:
        load.stop()
    kind = "new connections" if script else "keep-alive"
    print(f"{name:12} {kind:16} {times} times: {load.requests} requests, {load.failed} failed", *load.lines, flush=True)
    return load.failed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=10)
    times = parser.parse_args().times
    with tempfile.TemporaryDirectory(prefix="serai-bench-", dir="/var/tmp") as folder:
        Path(folder).chmod(0o755)
        site = Installation(Path(folder) / "home")
        script = Path(folder) / "close.lua"
        script.write_text(CLOSE)
        failed = 0
        try:
            site.up('modules."edge.http".redirect_http=false')  # wrk can't name a host by SNI that DNS doesn't know
            site.run("tenant", "create", "demo")
            site.run("deploy", str(ROOT / "examples" / "flask"), "--app", "hello")
            changes: dict[str, Callable[[int], None]] = {
                "switch": lambda _: site.run("deploy", str(ROOT / "examples" / "flask"), "--app", "hello") and None,
                "scale": lambda number: site.run("app", "scale", "hello", str(1 + (number + 1) % 2 * 2)) and None,
                "reload": lambda _: site.run("reload") and None,
                "upgrade": lambda _: site.run("upgrade") and None,
            }
            for name, change in changes.items():
                for lua in (None, script):
                    failed += under_load(name, site, times, change, lua)
        finally:
            site.down()
    print(f"ratio: {failed} failed requests (0 is the goal)")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
