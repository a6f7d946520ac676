"""The machine's own numbers, from /proc; what a kernel does not tell is left out."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from serai.daemon import figures as f

_SECTOR = 512  # octets of a sector in /proc/diskstats, whatever the disk's are
_MILLI = 1000
_PROC = Path("/proc")
#: Interfaces and disks that are none: what goes through them is counted at what they stand on, or never leaves.
_NO_NETWORK = ("lo", "veth", "docker", "br-", "virbr", "tap", "tun", "wg", "dummy", "ifb", "slirp")
_NO_DISK = ("loop", "ram", "dm-", "md", "zram", "sr", "fd", "nbd")


def busy(stat: str) -> tuple[int, int]:
    """Return (ticks in use, cores) of /proc/stat: all but idle and waiting for disks; proc_stat(5)."""
    lines = stat.splitlines()
    first = next((line.split() for line in lines if line.startswith("cpu ")), ["cpu"])
    ticks = [int(text) for text in first[1:9]]
    # user nice system idle iowait irq softirq steal: what guests used is in user already.
    used = sum(ticks) - sum(ticks[3:5])
    return used, sum(line.startswith("cpu") for line in lines) - 1


def memory(meminfo: str) -> dict[int, int]:
    """Return gauges of /proc/meminfo, in octets; proc_meminfo(5)."""
    told = {}
    for line in meminfo.splitlines():
        name, _, rest = line.partition(":")
        words = rest.split()
        if words and words[0].isdigit():
            told[name] = int(words[0]) << 10
    total = told.get("MemTotal", 0)
    return {
        f.MEMORY_TOTAL: total,
        f.MACHINE_MEMORY: max(0, total - told.get("MemAvailable", told.get("MemFree", 0))),
        f.SWAP: max(0, told.get("SwapTotal", 0) - told.get("SwapFree", 0)),
    }


def disks(diskstats: str) -> dict[int, int]:
    """Return octets read from and written to whole disks so far, of /proc/diskstats; proc_diskstats(5)."""
    read = written = 0
    whole: list[str] = []
    for words in (line.split() for line in diskstats.splitlines()):
        if len(words) < 10 or words[2].startswith(_NO_DISK) or any(words[2].startswith(disk) for disk in whole):
            continue  # a partition follows its disk, and begins with its name
        whole.append(words[2])
        read += int(words[5])
        written += int(words[9])
    return {f.DISK_READ: read * _SECTOR, f.DISK_WRITTEN: written * _SECTOR}


def networks(dev: str) -> dict[int, int]:
    """Return octets received and sent so far, of /proc/net/dev."""
    received = sent = 0
    for line in dev.splitlines():
        name, colon, rest = line.partition(":")
        words = rest.split()
        if colon and len(words) >= 9 and not name.strip().startswith(_NO_NETWORK):
            received += int(words[0])
            sent += int(words[8])
    return {f.NET_IN: received, f.NET_OUT: sent}


class Machine:
    """Look at this machine now and then; counters are told by what was added since the last look."""

    def __init__(self, home: Path, proc: Path = _PROC) -> None:
        self._home = home
        self._proc = proc
        self._tick = os.sysconf("SC_CLK_TCK")
        self._before: dict[int, int] = {}
        self._used: tuple[float, int] | None = None

    def look(self, now: float) -> tuple[dict[int, int], dict[int, int]]:
        """Return what was added to sums since the last look, and gauges; ``now`` is monotonic."""
        return self._added(), {**self._cpu(now), **self._read("meminfo", memory), **self._load(), **self._disk()}

    def _added(self) -> dict[int, int]:
        now = {**self._read("diskstats", disks), **self._read("net/dev", networks)}
        before, self._before = self._before, now
        # A disk or a link that is gone takes what it counted along.
        return {column: max(0, value - before[column]) for column, value in now.items() if column in before}

    def _cpu(self, now: float) -> dict[int, int]:
        found = self._read("stat", lambda text: dict([busy(text)]))
        for used, cores in found.items():
            before, self._used = self._used, (now, used)
            if before is None or now <= before[0]:
                return {f.CORES: cores}
            share = (used - before[1]) * _MILLI / self._tick / (now - before[0])
            return {f.CORES: cores, f.MACHINE_CPU: max(0, min(int(share), cores * _MILLI))}
        return {}

    def _load(self) -> dict[int, int]:
        return self._read("loadavg", lambda text: {f.LOAD: int(float(text.split()[0]) * _MILLI)})

    def _disk(self) -> dict[int, int]:
        try:
            room = os.statvfs(self._home)
        except OSError:
            return {}
        return {
            f.DISK_TOTAL: room.f_blocks * room.f_frsize,
            f.DISK_USED: (room.f_blocks - room.f_bfree) * room.f_frsize,
        }

    def _read(self, name: str, parse: Callable[[str], dict[int, int]]) -> dict[int, int]:
        try:
            return parse((self._proc / name).read_text(encoding="ascii", errors="replace"))
        except (OSError, ValueError, IndexError, OverflowError):  # the last one of what is infinite
            return {}
