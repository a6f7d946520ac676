"""A fence around a bot: the kernel kills its process before its lease can be given away, whatever state it is in.

A POSIX timer whose signal is SIGKILL needs neither the interpreter nor its lock nor a second process, and reaches a
process that is stopped: one that slept past its lease never wakes. It runs on CLOCK_BOOTTIME, which counts while the
machine is suspended and does not jump (timer_create(2), clock_getres(2)).
"""

from __future__ import annotations

import ctypes
import os
import signal
import struct
import time
from typing import Protocol

from serai.errors import UnsupportedError

_SIGEV_SIGNAL = 0
_TIMER_ABSTIME = 1
#: struct itimerspec: interval, then time, each in seconds and nanoseconds.
_ITIMERSPEC = struct.Struct("@llll")
#: Parts of a lease: after the first without a heartbeat the bot stops its runs, after the second it is killed.
GIVE_UP = 0.6
KILL = 0.9
#: And that it may hold the store's lock: a bot that is stopped just then holds up all others.
_HOLD = 0.4


class Fence(Protocol):
    """What ends the process at a time of CLOCK_BOOTTIME, in seconds."""

    def until(self, at: float) -> None:
        """Kill the process then, instead of when it was to be killed."""
        ...

    def open(self) -> None:
        """Kill it no more."""
        ...

    def kill(self) -> None:
        """Kill it now."""
        ...


class NoFence:
    """For bots whose process is not theirs: those of tests."""

    def until(self, at: float) -> None:
        """Do nothing."""

    def open(self) -> None:
        """Do nothing."""

    def kill(self) -> None:
        """Do nothing."""


class KernelFence:
    """One timer of the kernel; `UnsupportedError` where it has none."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._timer = ctypes.c_void_p()
        event = _Sigevent(signo=signal.SIGKILL, notify=_SIGEV_SIGNAL)
        if self._libc.timer_create(time.CLOCK_BOOTTIME, ctypes.byref(event), ctypes.byref(self._timer)):
            raise UnsupportedError(f"The kernel makes no timer: {os.strerror(ctypes.get_errno())}.")
        self._settime = self._libc.timer_settime

    def until(self, at: float) -> None:
        """Set the timer."""
        # Twice for each exchange, from two threads: octets cost a third of what structures do.
        value = _ITIMERSPEC.pack(0, 0, int(at), int(at % 1 * 1e9))
        if self._settime(self._timer, _TIMER_ABSTIME, value, None):
            self.kill()  # without a fence nothing may run

    def open(self) -> None:
        """Stop the timer."""
        self._settime(self._timer, _TIMER_ABSTIME, _ITIMERSPEC.pack(0, 0, 0, 0), None)

    def kill(self) -> None:
        """End the process without another instruction of it."""
        os.kill(os.getpid(), signal.SIGKILL)


class Lease:
    """How long others leave a bot's tasks alone: ``seconds`` from its last heartbeat, with the fence around it.

    Only whoever watches the bot decides that a lease is over, and does so ``seconds`` after it first saw the last
    heartbeat, by its own clock. Ours is counted from before that heartbeat was sent, and is shorter by a tenth: so the
    bot is dead by then, if the clocks of both run within a tenth of each other's speed.
    """

    def __init__(self, seconds: float, fence: Fence) -> None:
        self.seconds = seconds
        self._fence = fence
        self._from = boottime()
        fence.until(self._from + seconds * KILL)

    @property
    def spent(self) -> float:
        """Return the part that is over: 1 and more means that others may have the tasks."""
        return (boottime() - self._from) / self.seconds

    def inside(self) -> None:
        """Say that the store's lock is held from here on."""
        self._fence.until(min(self._from + self.seconds * KILL, boottime() + self.seconds * _HOLD))

    def outside(self) -> None:
        """Say that it is held no longer, and that nothing was written."""
        self._fence.until(self._from + self.seconds * KILL)

    def renew(self, sent: float) -> None:
        """Count from a heartbeat that was sent at that time and is now in the store."""
        self._from = max(self._from, sent)
        self.outside()

    def end(self) -> None:
        """Take the fence down: nothing runs any more."""
        self._fence.open()

    def kill(self) -> None:
        """End the process: others have its tasks."""
        self._fence.kill()


def boottime() -> float:
    """Return seconds since the machine started, suspended ones included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class _Sigevent(ctypes.Structure):
    _fields_ = (
        ("value", ctypes.c_void_p),
        ("signo", ctypes.c_int),
        ("notify", ctypes.c_int),
        ("rest", ctypes.c_byte * 48),  # sizeof(sigevent_t) is 64
    )
