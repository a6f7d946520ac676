"""The workers: starting, replacing, restarting, ending them, so that each group has as many as planned."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

import structlog

from serai.daemon.plan import GroupPlan
from serai.daemon.process import Process
from serai.errors import SeraiError, UnavailableError

#: Seconds of life after which a worker's death counts as its first.
HEALTHY = 60.0
#: Seconds that a worker's modules have to end what would outlive it when the host goes down.
HALT = 60.0
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 10.0


class Spawn(Protocol):
    """Forks a worker of a group."""

    def __call__(self, plan: GroupPlan, index: int, *, alone: bool = False) -> Process:
        """Return the new worker, which is starting; ``alone`` as in `serai.daemon.worker.Job`."""
        ...


class Crew:
    """All workers of the host: those in service by group, and those that are leaving."""

    def __init__(self, spawn: Spawn, log: structlog.stdlib.BoundLogger, changed: Callable[[], None]) -> None:
        self._spawn = spawn
        self._log = log
        self._changed = changed
        self.plans: dict[str, GroupPlan] = {}
        self.current: dict[str, list[Process | None]] = {}
        self.all: dict[int, Process] = {}
        self.restarts: dict[str, int] = {}
        self.reasons: dict[str, str] = {}
        self._deaths: dict[tuple[str, int], tuple[int, float]] = {}
        self._restarting: dict[tuple[str, int], asyncio.Task[None]] = {}
        self.ending = False

    async def raise_up(self, plans: Sequence[GroupPlan]) -> dict[str, list[Process]]:
        """Start the workers of new plans beside those in service; all become ready, or none lives on."""
        alone = not self.all
        fresh: dict[str, list[Process]] = {}
        try:
            for plan in plans:
                fresh[plan.name] = []
                for index in range(plan.processes):
                    fresh[plan.name].append(self.add(self._spawn(plan, index, alone=alone)))
            await _all_ready(fresh, {plan.name: plan for plan in plans})
        except BaseException:
            await self._discard(fresh)
            raise
        return fresh

    async def _discard(self, fresh: Mapping[str, list[Process]]) -> None:
        processes = [process for each in fresh.values() for process in each]
        # Those who served already may have begun what would outlive them.
        begun = [process.ask("halt", HALT) for process in processes if process.state == "ready"]
        await asyncio.gather(*begun, return_exceptions=True)
        for process in processes:
            process.kill()
        for process in processes:
            await process.gone.wait()

    def install(self, plans: Iterable[GroupPlan], fresh: Mapping[str, list[Process]], drain: float) -> None:
        """Put ready workers into service and send those home whom they replace."""
        self.plans = {plan.name: plan for plan in plans}
        replaced: list[Process | None] = []
        for name in list(self.current):
            if name in fresh or name not in self.plans:
                replaced += self.current.pop(name)
                self._forget(name)
        for name, processes in fresh.items():
            self.current[name] = list(processes)
        self._changed()  # before any order: should we die now, a successor has to know all of them
        for old in replaced:
            if old is not None:
                old.drain(drain)
        for process in [process for processes in fresh.values() for process in processes]:
            if process.state == "gone":
                self.changed(process)  # it was ready, and nobody has taken note of its death
            else:
                process.serve()
        self._settle()

    def add(self, process: Process) -> Process:
        """Count a worker among ours."""
        self.all[process.pid] = process
        return process

    def changed(self, process: Process) -> None:
        """React to a change of a worker: let another have what it released, replace it where it left us."""
        if process.state == "gone":
            self.all.pop(process.pid, None)
        slots = self.current.get(process.group, [])
        if process.state in {"draining", "gone"} and process in slots:
            slots[slots.index(process)] = None
            self._lost(process)
        self._settle()
        self._changed()

    def reaped(self, pid: int, status: int) -> bool:
        """Take note of a dead child; tell whether it was ours."""
        process = self.all.get(pid)
        if process is None:
            return False
        if status not in {0, -15}:
            self._log.warning("worker.died", group=process.group, worker=process.index, pid=pid, status=status)
        process.ended(status)
        return True

    def kill(self) -> None:
        """End all workers now."""
        for process in list(self.all.values()):
            process.kill()

    async def end(self, drain: float) -> None:
        """Drain all workers and wait for them: who faces the network first, then who keeps things running for it."""
        self.ending = True
        for task in self._restarting.values():
            task.cancel()
        fronts = {plan.name for plan in self.plans.values() if plan.privilege == "edge"}
        await self._drain([process for process in self.all.values() if process.group in fronts], drain)
        rest = list(self.all.values())
        await asyncio.gather(*(process.ask("halt", HALT) for process in rest), return_exceptions=True)
        await self._drain(rest, drain)

    async def _drain(self, processes: list[Process], seconds: float) -> None:
        for process in processes:
            process.drain(seconds)
        for process in processes:
            await process.gone.wait()

    def missing(self, group: str) -> int:
        """Return how many workers a group lacks."""
        plan = self.plans.get(group)
        here = [process for process in self.current.get(group, []) if process is not None]
        return (plan.processes if plan else 0) - len(here)

    def _lost(self, process: Process) -> None:
        if self.ending or process.group not in self.plans:
            return
        slot = (process.group, process.index)
        self.restarts[process.group] = self.restarts.get(process.group, 0) + 1
        deaths, last = self._deaths.get(slot, (0, 0.0))
        now = time.monotonic()
        deaths = 1 if now - last > HEALTHY else deaths + 1
        self._deaths[slot] = (deaths, now)
        self._restarting[slot] = asyncio.get_running_loop().create_task(self._restart(slot, deaths))

    async def _restart(self, slot: tuple[str, int], deaths: int) -> None:
        name, index = slot
        while True:
            # A first death is made good at once; who dies again and again gets time to think.
            if deaths > 1:
                await asyncio.sleep(min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(deaths, 10)))
            plan = self.plans[name]
            try:
                process = self.add(self._spawn(plan, index))
            except OSError as error:  # no process or memory to be had: later, perhaps
                self._reject(slot, UnavailableError(f"No worker can be started: {error.strerror}."))
                deaths = max(deaths, 1) + 1
                continue
            try:
                await process.ready(plan.host.start_seconds + 1)
            except SeraiError as error:
                self._reject(slot, error)
                process.kill()
                await process.gone.wait()
                deaths += 1
                continue
            except asyncio.CancelledError:
                process.kill()
                raise
            self.reasons.pop(name, None)
            self.current[name][index] = process
            process.serve()
            self._restarting.pop(slot, None)
            self._settle()
            self._changed()
            self._log.info("worker.restarted", group=name, worker=index, pid=process.pid)
            return

    def _reject(self, slot: tuple[str, int], error: SeraiError) -> None:
        self.reasons[slot[0]] = error.public
        self._log.error("worker.refused", group=slot[0], worker=slot[1], error=error)

    def _forget(self, name: str) -> None:
        for slot in [slot for slot in self._restarting if slot[0] == name]:
            self._restarting.pop(slot).cancel()
            self._deaths.pop(slot, None)
        self.reasons.pop(name, None)

    def _settle(self) -> None:
        """Give each module of which only one may run to the worker in service, once nobody else holds it."""
        held = {ref for process in self.all.values() for ref in process.holds}
        orders: list[tuple[Process, list[str]]] = []
        for name, slots in self.current.items():
            plan = self.plans.get(name)
            if plan is None:
                continue
            for process in slots:
                if process is None or process.state != "serving" or process.channel is None:
                    continue
                wanted = [
                    module.ref for module in plan.modules if module.needs.copies == "one" and module.ref not in held
                ]
                if wanted:
                    held.update(wanted)
                    process.holds.update(wanted)
                    orders.append((process, wanted))
        if orders:
            self._changed()  # before the order, too: two would serve where a successor did not know of the first
        for process, wanted in orders:
            process.serve(wanted)


async def _all_ready(fresh: Mapping[str, list[Process]], plans: Mapping[str, GroupPlan]) -> None:
    """Wait for all; raise the error that explains most, a refusal rather than a death, once one fails."""
    tasks = [
        asyncio.ensure_future(process.ready(plans[name].host.start_seconds + 1))
        for name, processes in fresh.items()
        for process in processes
    ]
    if not tasks:
        return
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    finally:
        for task in tasks:
            task.cancel()
    errors = [error for task in done if (error := task.exception()) is not None]
    if errors:
        raise min(errors, key=lambda error: getattr(error, "code", "internal") in {"internal", "deadline"})
