"""The lease and its fence, the identity of processes, and the pace of batches."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from serai.tasks import fence as fences
from serai.tasks.fence import KernelFence, Lease, NoFence
from serai.tasks.pace import Pace
from serai.tasks.process import identity, is_dead

SLEEPER = """
import os, signal, sys
from serai.tasks.fence import KernelFence, Lease, boottime
lease = Lease(float(sys.argv[1]), KernelFence())
if sys.argv[2] == "open":
    lease.end()
print("ready", flush=True)
os.kill(os.getpid(), signal.SIGSTOP)
print("awake", flush=True)
"""


class Notes:
    """A fence that notes until when it was set."""

    def __init__(self) -> None:
        self.at: list[float] = []

    def until(self, at: float) -> None:
        self.at.append(at)

    def open(self) -> None:
        self.at.append(0.0)

    def kill(self) -> None:
        self.at.append(-1.0)


def sleep_through(seconds: str, fence: str) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", SLEEPER, seconds, fence], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def test_a_stopped_process_is_killed_when_its_lease_is_nearly_over() -> None:
    process = sleep_through("0.5", "closed")
    assert process.wait(10) == -signal.SIGKILL
    assert process.stdout is not None
    assert process.stdout.read() == ""


def test_a_fence_that_was_opened_kills_nobody() -> None:
    process = sleep_through("0.2", "open")
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.5)
    process.send_signal(signal.SIGCONT)
    assert process.wait(10) == 0


def test_a_lease_counts_from_when_its_last_heartbeat_was_sent(monkeypatch) -> None:
    now = [100.0]
    monkeypatch.setattr(fences, "boottime", lambda: now[0])
    notes = Notes()
    lease = Lease(10.0, notes)
    now[0] = 103.0
    lease.inside()  # the store's lock is held: for four seconds, and never beyond the lease
    lease.renew(102.0)
    now[0] = 109.0
    lease.inside()
    lease.outside()
    lease.renew(101.0)  # an older one counts for nothing
    lease.end()
    assert notes.at == [109.0, 107.0, 111.0, 111.0, 111.0, 111.0, 0.0]
    assert lease.spent == pytest.approx(0.7)


def test_a_process_is_told_from_a_later_one_of_its_number() -> None:
    known = identity()
    boot, namespace, pid, started = known.split("-")
    assert not is_dead(known)
    assert is_dead(f"{boot}-{namespace}-{pid}-{int(started, 16) + 1:x}")
    assert not is_dead(f"00000000-{namespace}-{pid}-1"), "of another machine nothing is known"
    assert not is_dead(f"{boot}-1-{pid}-1"), "nor of another namespace"
    assert not is_dead("nonsense")


def test_a_process_that_nobody_waited_for_is_dead() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", "from serai.tasks.process import identity; print(identity(), flush=True); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    known = process.stdout.readline().strip()
    assert not is_dead(known)
    process.stdin.close()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # a zombie now
    assert is_dead(known)
    process.wait()
    assert is_dead(known)


def test_the_kernel_makes_timers_here() -> None:
    fence = KernelFence()
    fence.until(fences.boottime() + 3600)
    fence.open()
    NoFence().kill()


def test_batches_are_small_where_tasks_take_long_and_grow_where_they_do_not() -> None:
    pace = Pace(1000)
    assert pace.batch == 20
    for _ in range(20):
        pace.ran(100, 0.0005, 0.0005)
    assert (pace.batch, pace.waits) == (1000, False)
    pace.ran(10, 0.011, 0.0001)
    assert (pace.batch, pace.waits) == (9, True)
    pace.ran(1, 5.0, 0.0)
    assert pace.batch == 1


def test_the_kernel_is_asked_how_busy_a_batch_was_where_its_tasks_are_not_quick() -> None:
    pace = Pace(1000)
    assert (began := pace.begin()) > 0
    assert pace.busy(began, 60.0) < 60
    for _ in range(20):
        pace.ran(100, 0.0005, 0.0005)
    assert pace.begin() == 0.0
    assert pace.busy(0.0, 0.0005) == 0.0005
    pace.ran(1, 0.05, 0.05)
    assert pace.begin() > 0


def test_a_function_that_kept_others_waiting_is_not_short_for_a_while() -> None:
    pace = Pace(10)
    declared = frozenset({"a", "b"})
    pace.dawdled("a", 100.0)
    assert pace.short(declared, 159.0) == {"b"}
    assert pace.short(declared, 161.0) == declared
