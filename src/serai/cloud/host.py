"""What this machine is and what it can do, as the descriptor that the cell knows it by."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from serai.cloud.descriptors import Host
from serai.cloud.drivers.contract import Probe


def describe(probes: Iterable[Probe]) -> Host:
    """Return this host's descriptor; ``probes`` are what its drivers and volumes found."""
    return Host(
        cores=len(os.sched_getaffinity(0)),
        memory_mb=memory_mb(Path("/proc/meminfo").read_text()),
        abilities={probe.ability: probe.result for probe in probes},
    )


def missing(probes: Iterable[Probe]) -> tuple[Probe, ...]:
    """Return the required abilities that this host lacks."""
    return tuple(probe for probe in probes if probe.required and probe.result != "ok")


def memory_mb(table: str) -> int:
    """Return the memory in MiB by the text of /proc/meminfo (proc_meminfo(5)), 0 where it doesn't say."""
    for line in table.splitlines():
        name, _, rest = line.partition(":")
        if name == "MemTotal":
            return int(rest.split()[0]) >> 10
    return 0
