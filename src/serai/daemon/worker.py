"""The life of a worker: provision all its modules, say so, serve, drain, exit."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from itertools import groupby
from typing import Any

import msgspec
import structlog
from prometheus_client.core import CollectorRegistry

from serai.daemon import linux, metrics
from serai.daemon.channel import Channel, Message
from serai.daemon.context import Engines, ModuleContext, Open, Setting
from serai.daemon.fork import BUG, REFUSED
from serai.daemon.module import Module
from serai.daemon.plan import GroupPlan, ModulePlan
from serai.daemon.registry import Registry
from serai.daemon.room import is_full, no_room
from serai.errors import DeadlineError, InternalError, SeraiError

CLOSE_SECONDS = 5.0  # for one module's close()
#: Seconds for which a module's temporary refusal is not taken for its last word, and between two attempts.
PATIENCE, AGAIN = 5.0, 0.05
GIVE_BACK = 20.0  # seconds between two times that memory which bursts of work left free goes back to the kernel


class Job(msgspec.Struct, frozen=True):
    """What a worker is to do. ``sockets`` maps module reference and field to what is open.

    ``alone``: the host starts, so there is nobody whom modules that serve could disturb. Each does as soon as it can.
    """

    plan: GroupPlan
    setting: Setting
    sockets: Mapping[str, Mapping[str, Open]]
    generation: int
    alone: bool = False


class _Part:
    """One module at work."""

    def __init__(self, plan: ModulePlan, module: Module, ctx: ModuleContext) -> None:
        self.plan = plan
        self.module = module
        self.ctx = ctx
        self.serving: asyncio.Task[None] | None = None
        self.closed = False


class Worker:
    """Run the modules of one process."""

    def __init__(self, job: Job, registry: Registry, log: structlog.stdlib.BoundLogger) -> None:
        self._job = job
        self._registry = registry
        self._log = log
        self._metrics = CollectorRegistry()
        self._engines = Engines(job.setting.home, job.setting.services, store=job.setting.store)
        self._parts: list[_Part] = []
        self._stop = asyncio.Event()
        self._status = 0
        self._channel: Channel | None = None
        self._ordered = False  # by the supervisor, to serve

    async def run(self, channel: Any) -> int:
        """Live until drained; return the exit status."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._unhandled)
        loop.add_signal_handler(signal.SIGTERM, self._stop.set)
        self._channel = Channel(channel, self._received, self._abandoned)
        try:
            async with asyncio.timeout(self._job.plan.host.start_seconds):
                await self._provision()
        except Exception as error:  # noqa: BLE001 - whatever it is, the supervisor must be told before we end
            self._refuse(error)
            self._stop.set()
            if any(part.serving for part in self._parts):
                await self._drain()
            await self._close()
            return self._status
        self._tell({"event": "ready"})
        while not self._stop.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(GIVE_BACK):
                    await self._stop.wait()
            linux.give_back()
        await self._drain()
        await self._close()
        return self._status

    async def _provision(self) -> None:
        for plan in self._job.plan.modules:
            ctx = ModuleContext(
                self._job.setting,
                self._engines,
                needs=plan.needs,
                sockets=self._job.sockets.get(plan.ref, {}),
                log=self._log.bind(module=plan.ref),
                registry=self._metrics,
            )
            module = self._registry.get(plan.id)(plan.config, ctx)
            self._parts.append(_Part(plan, module, ctx))
            await self._patiently(plan, module)
            if self._job.alone:
                self._serve([plan.ref])

    async def _patiently(self, plan: ModulePlan, module: Module) -> None:
        """Provision a module; give what it misses for the moment, such as another worker's work, time to appear."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        while True:
            try:
                await module.provision()
                self._log.debug("module.provisioned", module=plan.ref, seconds=round(loop.time() - began, 3))
                return
            except SeraiError as error:
                error.fields.setdefault("module", plan.ref)
                if not error.temporary or loop.time() - began > PATIENCE:
                    raise
            await asyncio.sleep(AGAIN)

    def _refuse(self, error: Exception) -> None:
        if isinstance(error, TimeoutError):
            error = DeadlineError(
                f"The modules were not ready within {self._job.plan.host.start_seconds} seconds.",
                module=self._parts[-1].plan.ref if self._parts else "",
            )
        if is_full(error):
            error = no_room(self._job.setting.home.path)
        if isinstance(error, SeraiError):
            self._status = REFUSED
            told = error
            self._log.warning("module.refused", error=error)
        else:
            self._status = BUG
            told = InternalError(f"The module {self._parts[-1].plan.ref if self._parts else '?'} failed: {error!r}.")
            self._log.error("module.bug", error=error, exc_info=error)
        self._tell({"event": "failed", "code": told.code, "public": told.public, "fields": told.fields})

    def _serve(self, refs: list[str] | None) -> None:
        """Start the modules named, or all that every worker may run."""
        for part in self._parts:
            wanted = part.plan.ref in refs if refs is not None else part.plan.needs.copies == "per_worker"
            if wanted and part.serving is None and not self._stop.is_set():
                part.serving = asyncio.create_task(part.module.serve(), name=part.plan.ref)
                part.serving.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if self._stop.is_set() or task.cancelled():
            return
        self._bug(task.get_name(), task.exception() or InternalError("serve() returned without being asked to."))

    async def _drain(self) -> None:
        """Take nothing new, let every module finish, give up after the deadline."""
        self._tell({"event": "draining"})
        for part in self._parts:
            part.ctx.stop_accepting()
        tasks = []
        for part in self._parts:
            if part.serving is not None and not part.serving.done():
                part.serving.cancel()
            tasks.append(asyncio.create_task(self._finish(part)))
        _, late = await asyncio.wait(tasks, timeout=self._job.plan.host.drain_seconds)
        for task in late:
            self._log.warning("drain.late", seconds=self._job.plan.host.drain_seconds)
            task.cancel()

    async def _finish(self, part: _Part) -> None:
        if part.serving is not None:
            await asyncio.wait([part.serving])
        await self._close_part(part)
        self._tell({"event": "released", "module": part.plan.ref})

    async def _close(self) -> None:
        for part in reversed(self._parts):
            await self._close_part(part)
        await self._engines.close()

    async def _close_part(self, part: _Part) -> None:
        if part.closed:
            return
        part.closed = True
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await part.module.close()
        except Exception as error:  # noqa: BLE001 - one module's bug must not keep the others from closing
            self._log.error("module.bug", module=part.plan.ref, error=error, exc_info=error)

    def _received(self, message: Message) -> None:
        match message.get("do"):
            case "serve":
                self._ordered = True
                self._serve(message.get("modules"))
            case "drain":
                self._stop.set()
            case "halt":
                self._halting = asyncio.create_task(self._halt(message["id"]))
            case "status":
                self._tell({"re": message["id"], "modules": self._statuses()})
            case "metrics":
                told = metrics.collect(self._metrics) + metrics.of_modules(self._statuses())
                self._tell({"re": message["id"], "metrics": told})

    async def _halt(self, number: int) -> None:
        # Those that came last may rely on those before them; those of one kind don't know of each other.
        for _, parts in groupby(reversed(self._parts), key=lambda part: part.plan.id):
            await asyncio.gather(*(self._halt_part(part) for part in parts))
        self._tell({"re": number})

    async def _halt_part(self, part: _Part) -> None:
        halt = getattr(part.module, "halt", None)
        if halt is None:
            return
        try:
            await halt()
        except Exception as error:  # noqa: BLE001 - one module's bug must not keep the host from ending
            self._log.error("module.bug", module=part.plan.ref, error=error, exc_info=error)

    def _statuses(self) -> dict[str, Any]:
        statuses = {}
        for part in self._parts:
            try:
                status = dict(part.module.status())
            except Exception as error:  # noqa: BLE001 - a broken status is a status
                self._log.error("module.bug", module=part.plan.ref, error=error, exc_info=error)
                status = {"ok": False, "reason": f"status() failed: {error!r}"}
            if part.serving is None:
                status |= {"ok": False, "reason": "waits for the one before it to let go"}
            statuses[part.plan.ref] = status
        return statuses

    def _tell(self, message: Message) -> None:
        if self._channel is not None:
            self._channel.send(message)

    def _abandoned(self) -> None:
        """Go on without a supervisor: the next one takes us over, if the last one could write down that we serve."""
        if not self._ordered or not any(part.serving for part in self._parts):
            self._stop.set()
            return
        linux.allow_takeover()
        self._log.warning("worker.orphaned")

    def _unhandled(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if error is None or isinstance(error, OSError | SeraiError):
            # Sockets break and peers misbehave: no fault of this process.
            self._log.info("loop.error", reason=str(context.get("message")), error=error)
            return
        self._bug("", error)

    def _bug(self, module: str, error: BaseException) -> None:
        """End after a bug: what was accepted is finished, and the supervisor starts another worker at once."""
        self._log.error("module.bug", module=module, error=error, exc_info=error)
        self._tell({"event": "bug", "module": module, "reason": repr(error)})
        self._status = BUG
        self._stop.set()


def run(job: Job, registry: Registry, log: structlog.stdlib.BoundLogger, channel: Any) -> int:
    """Be a worker: the child's main function."""
    # Imported by the warm parent already; uvloop's own runner wants a coroutine, which must be made in its loop.
    uvloop = sys.modules.get("uvloop")
    factory = uvloop.new_event_loop if uvloop is not None else asyncio.new_event_loop

    async def main() -> int:
        return await Worker(job, registry, log).run(channel)

    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(main())
