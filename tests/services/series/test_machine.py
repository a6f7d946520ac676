"""The machine's own numbers, of files as kernels write them, and of what they might."""

from __future__ import annotations

from pathlib import Path

from hypothesis import example, given
from hypothesis import strategies as st

from serai.daemon import figures as f
from serai.services.series.machine import Machine, busy, disks, memory, networks

STAT = """cpu  100 5 50 1000 40 3 2 10 7 0
cpu0 50 5 25 500 20 3 2 5 0 0
cpu1 50 0 25 500 20 0 0 5 0 0
intr 12345
ctxt 99
"""
MEMINFO = "MemTotal: 1000 kB\nMemFree: 100 kB\nMemAvailable: 400 kB\nSwapTotal: 50 kB\nSwapFree: 20 kB\nHugePages: 0\n"
DISKSTATS = """   8       0 sda 10 0 100 5 20 0 200 9 0 1 2
   8       1 sda1 10 0 100 5 20 0 200 9 0 1 2
 259       0 nvme0n1 1 0 8 1 1 0 16 1 0 1 1
 259       1 nvme0n1p1 1 0 8 1 1 0 16 1 0 1 1
   7       0 loop0 5 0 50 0 0 0 0 0 0 0 0
 253       0 dm-0 5 0 50 0 0 0 50 0 0 0 0
"""
DEV = """Inter-|   Receive  |  Transmit
 face |bytes packets errs|bytes packets errs
    lo: 900 1 0 0 0 0 0 0 900 1 0 0 0 0 0 0
  eth0: 300 1 0 0 0 0 0 0 40 1 0 0 0 0 0 0
enp1s0:7 1 0 0 0 0 0 0 3 1 0 0 0 0 0 0
veth12: 55 1 0 0 0 0 0 0 55 1 0 0 0 0 0 0
"""


def test_processors_are_busy_with_all_but_waiting() -> None:
    assert busy(STAT) == (170, 2)


def test_memory_is_what_programs_can_not_be_given() -> None:
    assert memory(MEMINFO) == {f.MEMORY_TOTAL: 1000 << 10, f.MACHINE_MEMORY: 600 << 10, f.SWAP: 30 << 10}
    assert memory("MemTotal: 10 kB\nMemFree: 4 kB\n")[f.MACHINE_MEMORY] == 6 << 10


def test_disks_are_counted_once() -> None:
    assert disks(DISKSTATS) == {f.DISK_READ: 108 * 512, f.DISK_WRITTEN: 216 * 512}


def test_networks_are_those_that_lead_out() -> None:
    assert networks(DEV) == {f.NET_IN: 307, f.NET_OUT: 43}


@example(text="INF")
@given(st.text(max_size=200))
def test_a_kernel_may_write_anything(tmp_path_factory: object, text: str) -> None:
    class Proc:
        def __truediv__(self, _name: str) -> Proc:
            return self

        def read_text(self, **_more: str) -> str:
            return text

    sums, gauges = Machine(Path("/"), Proc()).look(1.0)  # type: ignore[arg-type]
    assert all(isinstance(value, int) for value in (*sums.values(), *gauges.values()))


def proc(folder: Path, ticks: int, octets: int) -> None:
    (folder / "net").mkdir(exist_ok=True)
    (folder / "stat").write_text(f"cpu  {ticks} 0 0 0 0 0 0 0\ncpu0 1\ncpu1 1\n")
    (folder / "net/dev").write_text(f"h\nh\n eth0: {octets} 1 0 0 0 0 0 0 7 1\n")
    (folder / "loadavg").write_text("1.25 1 1 1/100 12345\n")
    (folder / "meminfo").write_text(MEMINFO)


def test_counters_are_told_by_what_was_added(tmp_path: Path) -> None:
    machine = Machine(tmp_path, tmp_path)
    proc(tmp_path, 1000, 500)
    sums, gauges = machine.look(10.0)
    assert (sums, gauges[f.CORES], f.MACHINE_CPU in gauges) == ({}, 2, False)
    proc(tmp_path, 1000 + 150 * machine._tick // 100, 800)
    sums, gauges = machine.look(11.0)
    assert sums[f.NET_IN] == 300
    assert gauges[f.MACHINE_CPU] == 1500
    assert gauges[f.LOAD] == 1250
    assert gauges[f.DISK_TOTAL] > gauges[f.DISK_USED] > 0
    proc(tmp_path, 0, 10)
    sums, gauges = machine.look(12.0)
    assert (sums[f.NET_IN], gauges[f.MACHINE_CPU]) == (0, 0)


def test_this_machine_tells_its_own() -> None:
    machine = Machine(Path("/"))
    machine.look(0.0)
    _, gauges = machine.look(1.0)
    assert {f.CORES, f.LOAD, f.MACHINE_MEMORY, f.MEMORY_TOTAL, f.DISK_USED, f.DISK_TOTAL, f.MACHINE_CPU} <= set(gauges)
