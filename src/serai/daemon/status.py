"""What `serai status` shows: is all green, and if not, why."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import msgspec

from serai.daemon import linux
from serai.daemon.crew import Crew
from serai.daemon.process import Process
from serai.errors import SeraiError


class WorkerStatus(msgspec.Struct, frozen=True):
    """One worker; memory is its proportional set size in octets."""

    group: str
    index: int
    pid: int
    state: str
    generation: int
    uptime_seconds: float
    memory: int
    modules: dict[str, Any]
    reason: str = ""


class HostStatus(msgspec.Struct, frozen=True):
    """The whole host; ``memory`` is the sum over supervisor and workers, octets."""

    ok: bool
    reasons: list[str]
    host: str
    home: str
    store: str
    version: str
    pid: int
    uptime_seconds: float
    memory: int
    supervisor_memory: int
    restarts: dict[str, int]
    workers: list[WorkerStatus]


async def gather(crew: Crew, *, host: str, home: str, store: str, version: str) -> HostStatus:
    """Ask all workers and sum up."""
    workers = await asyncio.gather(*(_worker(process) for process in list(crew.all.values())))
    reasons = [f"{group}: {reason}" for group, reason in crew.reasons.items()]
    for group in crew.plans:
        missing = crew.missing(group)
        if missing > 0:
            reasons.append(f"{group}: {missing} of its workers are missing; others are being started")
    reasons += [f"{worker.group}/{worker.index}: {worker.reason}" for worker in workers if worker.reason]
    own = linux.pss(os.getpid())
    return HostStatus(
        ok=not reasons,
        reasons=reasons,
        host=host,
        home=home,
        store=store,
        version=version,
        pid=os.getpid(),
        uptime_seconds=linux.uptime(linux.start_ticks(os.getpid())),
        memory=own + sum(worker.memory for worker in workers),
        supervisor_memory=own,
        restarts=dict(crew.restarts),
        workers=sorted(workers, key=lambda worker: (worker.group, worker.index, worker.generation)),
    )


async def _worker(process: Process) -> WorkerStatus:
    modules: dict[str, Any] = {}
    reason = ""
    if process.state == "serving":
        try:
            modules = (await process.ask("status"))["modules"]
        except SeraiError as error:
            reason = f"{error.public} Should that last, kill -9 {process.pid} makes room for another."
    ill = [f"{ref}: {status.get('reason', 'not ok')}" for ref, status in modules.items() if not status.get("ok", True)]
    if ill:
        reason = "; ".join(ill)
    return WorkerStatus(
        group=process.group,
        index=process.index,
        pid=process.pid,
        state=process.state,
        generation=process.generation,
        uptime_seconds=linux.uptime(process.ticks),
        memory=linux.pss(process.pid),
        modules=modules,
        reason=reason,
    )
