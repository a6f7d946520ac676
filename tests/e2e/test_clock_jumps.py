"""The machine's clock jumps by a day and back: visitors, deployments, tasks and schedules don't notice.

Only the wall clock jumps, as when somebody sets it; all others go on, and so do timers. Visitors keep the right time.
"""

from __future__ import annotations

import shutil
import struct
import subprocess
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from installation import Installation
from test_day import Visitor, program, until

pytestmark = pytest.mark.xdist_group("timed")  # one at a time: leases must be kept by who is well

DAY = 86400
EVERY = 5  # seconds between two runs of the schedule
APP = f"""
[[schedule]]
name = "tick"
command = ["echo", "tick"]
every_seconds = {EVERY}

[release]
command = ["sleep", "2"]
"""

Jump = Callable[[int], None]


@pytest.fixture
def jump(own: Installation, monkeypatch: pytest.MonkeyPatch) -> Jump:
    """Return what sets the clock of a platform that is started after this: to the right time and so many seconds."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a C compiler")
    library, offset = own.home.parent / "jumping.so", own.home.parent / "offset"
    source = Path(__file__).with_name("jumping.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O2", "-o", library, source], check=True)
    offset.write_bytes(struct.pack("q", 0))
    library.chmod(0o755)
    offset.chmod(0o644)
    monkeypatch.setenv("JUMPING_CLOCK", str(offset))
    monkeypatch.setenv("LD_PRELOAD", str(library))

    def set_clock(seconds: int) -> None:
        with offset.open("r+b") as file:
            file.write(struct.pack("q", seconds))

    return set_clock


def newest_log_line(site: Installation) -> datetime:
    lines = (site.home / "logs" / "serai.jsonl").read_text().splitlines()
    return datetime.fromisoformat(lines[-1].rpartition('"timestamp":"')[2][:26]).replace(tzinfo=UTC)


def tasks(site: Installation, *words: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = site.json("task", "list", *words)
    return found


def ticks(site: Installation) -> int:
    return len(tasks(site, "--function", "apps.run", "--limit", "1000"))


def is_trusted(site: Installation, host: str) -> bool:
    try:
        return site.get(host, "/").status == 404
    except OSError:  # there is no certificate yet, or none that is valid by the right time
        return False


def test_nobody_notices_a_clock_that_jumps(own: Installation, jump: Jump, tmp_path: Path) -> None:
    own.up()
    own.run("tenant", "create", "demo")
    folder = program(tmp_path / "app", "one")
    (tmp_path / "app" / "app.toml").write_text(APP)
    own.run("deploy", folder, "--app", "day", "--tenant", "demo")
    began = time.monotonic()
    with Visitor(own, "/day/") as visitor:
        for number, seconds in enumerate((DAY, 0, -DAY, 0), 2):
            program(tmp_path / "app", str(number))
            deploy = threading.Thread(target=own.run, args=("deploy", folder, "--app", "day", "--tenant", "demo"))
            deploy.start()
            until(lambda: tasks(own, "--state", "is_processing"))  # so that the clock jumps under a lease
            jump(seconds)
            deploy.join(100)
            assert own.get("demo.localhost", "/day/").text.startswith(f"{number} ")
            own.run("tenant", "create", f"new{number}")
            until(lambda number=number: is_trusted(own, f"new{number}.localhost"))  # its certificate is made just now
            seen = visitor.answers
            until(lambda seen=seen: visitor.answers > seen + 20)
            until(lambda: own.json("status")["ok"])
            ticked = ticks(own)
            until(lambda ticked=ticked: ticks(own) > ticked)  # also where it was dealt with until tomorrow
            expected = datetime.now(UTC) + timedelta(seconds=seconds)
            assert abs(newest_log_line(own) - expected) < timedelta(minutes=5), "the clock did not jump"
    assert visitor.faults == []
    assert own.json("status")["restarts"] == {}, "a worker died of it"
    found = tasks(own, "--limit", "1000")
    assert {(task["function"], task["state"], task["run"], task["lost"]) for task in found} == {
        (f"apps.{verb}", "done", 1, 0) for verb in ("build", "start", "check", "switch", "drain", "stop", "run")
    }
    assert ticks(own) <= (time.monotonic() - began) / EVERY + 2, "the schedule made up for a day"
