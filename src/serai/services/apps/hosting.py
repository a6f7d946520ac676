"""The driver of this host, one per process and home: the agent and the tasks beside it share what it knows."""

from __future__ import annotations

import functools
import os
import zlib
from pathlib import Path

from serai.cloud.drivers import Driver
from serai.cloud.drivers.process import ProcessDriver
from serai.errors import UnsupportedError


@functools.cache
def driver(home: Path, name: str = "process") -> Driver:
    """Return a driver by its name, or raise `UnsupportedError`."""
    if name != ProcessDriver.NAME:
        raise UnsupportedError(f"There is no driver {name}; there is process.", path="driver")
    # Homes side by side on one host have control groups and interfaces of their own.
    own = f"{zlib.crc32(str(home).encode()):08x}"
    gid = (home / "data/apps").stat().st_gid if os.geteuid() == 0 else None
    return ProcessDriver(home / "run/instances", name=own, gid=gid)
