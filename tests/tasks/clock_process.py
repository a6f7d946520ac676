"""The clock as a process of its own.

Usage: clock_process.py STORE LEASE
"""

from __future__ import annotations

import asyncio
import sys

from serai.store.open import open_store
from serai.tasks.clock import ClockSettings, TaskClock


def main() -> None:
    path, lease = sys.argv[1:]
    asyncio.run(TaskClock(open_store(path), settings=ClockSettings(lease=float(lease))).run())


if __name__ == "__main__":
    main()
