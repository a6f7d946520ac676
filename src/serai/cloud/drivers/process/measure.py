"""Measure a running workload by /proc, where no control group does."""

from __future__ import annotations

import os
from pathlib import Path

from serai.cloud.drivers.contract import Usage
from serai.cloud.drivers.process.shim import watch

TICKS = os.sysconf("SC_CLK_TCK")
ESTABLISHED = "01"  # net/tcp_states.h


def usage(program: int) -> Usage:
    """Add up the processes in the PID namespace of ``program``; CPU of those that were reaped counts, too."""
    pids = watch.of_namespace(program)
    if not pids:
        return Usage(memory=None, cpu=None, processes=None)
    # bubblewrap's own first process is in there as well.
    return Usage(memory=watch.memory(program), cpu=sum(map(_cpu, pids)), processes=max(1, len(pids) - 1))


def connections(pid: int, port: int) -> int:
    """Count the established connections to ``port`` in the network namespace of ``pid``; 0 where it has ended."""
    if not port:
        return 0
    count = 0
    for name in ("tcp", "tcp6"):
        try:
            text = Path(f"/proc/{pid}/net/{name}").read_text()
        except OSError:
            continue
        count += established(text, port)
    return count


def established(table: str, port: int) -> int:
    """Count the established connections to the local ``port`` in the text of /proc/net/tcp (proc_net(5))."""
    suffix = f":{port:04X}"
    rows = (line.split() for line in table.splitlines()[1:])
    return sum(1 for row in rows if len(row) > 3 and row[1].endswith(suffix) and row[3] == ESTABLISHED)


def _cpu(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rsplit(b")", 1)[1].split()
    except (OSError, IndexError):
        return 0.0
    return sum(int(field) for field in fields[11:15]) / TICKS
