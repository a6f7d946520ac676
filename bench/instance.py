"""Start time of an instance above the bare process, and the memory that its shim adds: ``make bench NAME=instance``."""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from serai.cloud.drivers.contract import Workload
from serai.cloud.drivers.process import ProcessDriver

ROUNDS = 20
TENANT = 1_900_000_001 if os.geteuid() == 0 else None
BUDGET = 100.0  # milliseconds


def bare() -> float:
    """Return the milliseconds until a bare process executes."""
    began = time.perf_counter()
    process = subprocess.Popen(["/usr/bin/sleep", "60"])
    taken = time.perf_counter() - began
    process.kill()
    process.wait()
    return taken * 1000


def proportional(pid: int) -> int:
    """Return the KiB that a process adds to the machine."""
    found = re.search(r"^Pss:\s+(\d+)", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    return int(found[1]) if found else 0


async def main() -> None:
    """Start and stop instances, one after the other, with both kinds of network."""
    folder = Path(tempfile.mkdtemp(prefix="serai-", dir="/var/tmp"))
    driver = ProcessDriver(folder / "run", name=f"bench-{secrets.token_hex(4)}")
    worst = 0.0
    try:
        for network in ("private", "egress"):
            starts, stops, bares, shims = [], [], [], []
            for number in range(ROUNDS):
                bares.append(bare())
                workload = Workload(id=f"i.{number}", uid=TENANT, argv=("/usr/bin/sleep", "60"), network=network)
                began = time.perf_counter()
                handle = await driver.start(workload)
                starts.append((time.perf_counter() - began) * 1000)
                shims.append(proportional(handle.pid))
                began = time.perf_counter()
                await driver.stop(handle)
                stops.append((time.perf_counter() - began) * 1000)
                await driver.remove(handle)
            above = statistics.median(starts) - statistics.median(bares)
            worst = max(worst, above)
            print(
                f"{network}: start p50 {statistics.median(starts):.1f} ms, worst {max(starts):.1f} ms; "
                f"bare {statistics.median(bares):.1f} ms; stop p50 {statistics.median(stops):.1f} ms; "
                f"shim PSS {statistics.median(shims)} KiB"
            )
    finally:
        await driver.retire()
        shutil.rmtree(folder, ignore_errors=True)
    print(f"ratio: {BUDGET / worst:.2f}")


if __name__ == "__main__":
    asyncio.run(main())
