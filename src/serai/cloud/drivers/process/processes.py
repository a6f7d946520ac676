"""Processes that are not our children: told from others by their start time, awaited and killed by pidfd."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from pathlib import Path


def started(pid: int) -> int:
    """Return the start of ``pid`` in clock ticks since boot, or 0 where it has ended; proc_pid_stat(5), field 22."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rsplit(b")", 1)[1].split()
    except (OSError, IndexError):
        return 0
    return 0 if fields[0] in (b"Z", b"X") else int(fields[19])


def alive(pid: int, ticks: int) -> bool:
    """Tell whether the process that began at ``ticks`` still runs; a reused pid is somebody else."""
    return ticks > 0 and started(pid) == ticks


def send(pid: int, ticks: int, number: int) -> None:
    """Send a signal to the process that began at ``ticks``; nothing where it has ended."""
    try:
        target = os.pidfd_open(pid)
    except OSError:
        return
    try:
        if alive(pid, ticks):
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(target, number)
    finally:
        os.close(target)


async def ended(pid: int, ticks: int) -> None:
    """Return when the process that began at ``ticks`` has ended."""
    try:
        target = os.pidfd_open(pid)
    except OSError:
        return
    loop = asyncio.get_running_loop()
    try:
        if not alive(pid, ticks):
            return
        future: asyncio.Future[None] = loop.create_future()
        loop.add_reader(target, _done, future)
        try:
            await future
        finally:
            loop.remove_reader(target)
    finally:
        os.close(target)


def _done(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
