"""The supervisor: holds the sockets, forks the workers, changes the machine without dropping anyone.

Everything it does in an order that lets it stop half way: new sockets and new workers first, beside the old; only
when all of them are ready do the old ones go.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import structlog

import serai
from serai.daemon import config, linux, logs, metrics, record, status, takeover, upgrade
from serai.daemon.address import parse
from serai.daemon.ask import answer
from serai.daemon.children import Children
from serai.daemon.control import ControlServer
from serai.daemon.crew import Crew
from serai.daemon.home import Home, check_store, furnish
from serai.daemon.launch import Launcher
from serai.daemon.listeners import listen
from serai.daemon.plan import GroupPlan, build, rows
from serai.daemon.process import Process
from serai.daemon.registry import Registry
from serai.daemon.settings import Settings
from serai.daemon.sockets import SocketTable
from serai.errors import InvalidError, SeraiError
from serai.store.open import describe

ROTATE_EVERY = 1.0  # seconds between two looks at the log's size


class Supervisor:
    """One host's parent process."""

    def __init__(self, home: Home, registry: Registry, sets: Sequence[str], *, terminal: bool) -> None:
        self._home = home
        self._registry = registry
        self._sets = tuple(sets)
        self._root = os.geteuid() == 0
        self._terminal = terminal
        self._changing = asyncio.Lock()  # one reload, upgrade or end at a time
        self._ended = asyncio.Event()
        self._lock = -1
        self._started = False
        self._log_file = logs.LogFile(home.log)
        self._settings, self._plans = self._read()
        self._log: structlog.stdlib.BoundLogger = structlog.get_logger()

    async def run(self, ready: Callable[[dict[str, Any]], None]) -> None:
        """Start, call ``ready`` once all serve, live until `down`. Raises the `SeraiError` that forbade the start."""
        before = record.read(self._home.record)
        resumed = before is not None and record.is_self(before)
        if not resumed and not self._settings.store:
            check_store(self._home)
        furnish(self._home, self._settings.host)
        self._lock = before.lock if resumed and before else record.lock(self._home.lock)
        self._set_up()
        if resumed and before:
            await self._resume(before)
        else:
            await self._start(before)
        os.set_inheritable(self._lock, False)
        await self._server.start()
        ready({"pid": os.getpid(), "home": str(self._home.path), "version": serai.__version__})
        rotation = asyncio.create_task(self._rotate())
        await self._ended.wait()
        rotation.cancel()

    def _set_up(self) -> None:
        host = self._settings.host
        gid = host.uid_base if self._root else -1
        logs.create(self._home.log, gid)
        self._configure_log()
        linux.raise_descriptor_limit()
        self._sockets = SocketTable(gid)
        self._launcher = Launcher(self._home, self._registry, self._sockets, terminal=self._terminal)
        self._crew = Crew(self._spawn, self._log, self._write)
        self._children = Children(self._crew.reaped)
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._signalled)
        loop.add_signal_handler(signal.SIGINT, self._signalled)
        loop.add_signal_handler(signal.SIGHUP, self._hung_up)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, upgrade.HELD)

    def _configure_log(self) -> None:
        level = self._settings.log.level
        self._log = logs.configure(self._log_file, level, terminal=self._terminal, group="supervisor", pid=os.getpid())

    # -- starting ---------------------------------------------------------------------------------------------------

    async def _start(self, before: record.Record | None) -> None:
        orphans = takeover.living(before) if before else []
        if before and orphans:
            await self._take_over(before, orphans)
        self._server = self._control(None)
        try:
            await self._replace(self._plans)
        except BaseException:
            self._home.control.unlink(missing_ok=True)  # orphans, and the record of them, stay for the next attempt
            raise
        self._log.info("host.ready", host=self._settings.host.name, version=serai.__version__)

    async def _take_over(self, before: record.Record, orphans: list[record.WorkerRecord]) -> None:
        self._log.warning("takeover", orphans=[worker.pid for worker in orphans])
        self._launcher.generation = before.generation
        sockets = takeover.fetch(before, orphans, self._log)
        for name, found in sockets.items():
            self._sockets.put(name, found)
        for worker in orphans:
            process = self._crew.add(Process.found(worker, None, self._crew.changed))
            self._crew.current.setdefault(worker.group, []).append(process)
        if len(sockets) < len(before.sockets):
            # This kernel does not let us have them: their owners must go before we can open our own.
            await self._crew.end(self._settings.host.drain_seconds)
            self._crew.ending = False

    async def _resume(self, before: record.Record) -> None:
        """Go on after an exec: the old code's workers serve until the new code's are ready."""
        for name, sockets in takeover.inherited(before).items():
            self._sockets.put(name, sockets)
        self._launcher.generation = before.generation
        self._crew.restarts = dict(before.restarts)
        for worker in before.workers:
            channel = socket.socket(fileno=worker.channel) if worker.channel >= 0 else None
            process = self._crew.add(Process.found(worker, channel, self._crew.changed))
            if process.state == "serving":
                slots = self._crew.current.setdefault(worker.group, [])
                slots.append(process)
        upgrade.keep_from_children(before)
        self._children.reap()
        self._server = self._control(socket.socket(fileno=before.control))
        reply = socket.socket(fileno=before.reply) if before.reply >= 0 else None
        try:
            await self._replace(self._plans)
            result: Any = {"version": serai.__version__}
            self._log.info("upgrade.done", version=serai.__version__)
        except SeraiError as error:
            # The old code's workers are as good as they were; a later reload or upgrade may succeed.
            self._log.error("upgrade.refused", error=error)
            self._crew.plans = {each.name: each for each in self._plans}
            self._started = True
            result = error
        if reply is not None:
            upgrade.reply(reply, answer(result))

    def _read(self) -> tuple[Settings, tuple[GroupPlan, ...]]:
        settings = config.load(self._home.config, self._sets, self._registry.ids(), root=self._root)
        return settings, build(settings, self._registry, self._home.path)

    def _control(self, sock: socket.socket | None) -> ControlServer:
        if sock is None:
            gid = self._settings.host.uid_base if self._root else -1
            sock = listen(parse("unix:run/control.sock").resolve(self._home.path), group=gid)[0]
        sock.set_inheritable(False)
        readers = frozenset({self._settings.host.uid_base}) if self._root else frozenset()
        return ControlServer(sock, self._handle, readers)

    # -- changing ---------------------------------------------------------------------------------------------------

    async def _replace(self, plans: Sequence[GroupPlan]) -> list[str]:
        """Bring the machine to ``plans``; all or nothing. Return the groups that changed."""
        changed = [each for each in plans if self._crew.plans.get(each.name) != each]
        opened = self._sockets.open(changed)
        try:
            fresh = await self._crew.raise_up(changed)
        except BaseException:
            self._sockets.close(opened)
            raise
        removed = [name for name in self._crew.current if name not in {each.name for each in plans}]
        self._started = True
        self._crew.install(plans, fresh, self._settings.host.drain_seconds)
        self._sockets.close_unused(plans)
        self._write()
        return [each.name for each in changed] + removed

    async def _reload(self) -> dict[str, Any]:
        async with self._changing:
            settings, plans = self._read()
            if settings.host.uid_base != self._settings.host.uid_base:
                raise InvalidError(
                    "host.uid_base: it can't change while the host runs; the home's files belong to these users.",
                    path="host.uid_base",
                )
            changed = await self._replace(plans)
            self._settings, self._plans = settings, plans
            self._configure_log()
            self._log.info("reload.done", groups=changed)
            return {"changed": changed}

    async def _upgrade(self, connection: int) -> Any:
        async with self._changing:
            await upgrade.check(self._home, self._sets, self._children)
            self._log.info("upgrade.exec", version=serai.__version__)
            current = self._record()
            current.lock, current.control, current.reply = self._lock, self._server.sock.fileno(), connection
            upgrade.execute(self._home, self._sets, current, terminal=self._terminal)

    async def _down(self) -> None:
        async with self._changing:
            self._log.info("host.ending")
            await self._crew.end(self._settings.host.drain_seconds)
            self._sockets.close(list(self._sockets.table()))
            self._home.record.unlink(missing_ok=True)
            self._home.control.unlink(missing_ok=True)

    # -- being told -------------------------------------------------------------------------------------------------

    async def _handle(self, verb: str, _arguments: dict[str, Any], connection: int) -> Any:
        match verb:
            case "ping":
                return {"pid": os.getpid(), "version": serai.__version__}
            case "plan":
                return rows(self._plans, root=self._root)
            case "status":
                return await status.gather(
                    self._crew,
                    host=self._settings.host.name,
                    home=str(self._home.path),
                    store=describe(self._settings.store or self._home.store),
                    version=serai.__version__,
                )
            case "metrics":
                return metrics.text(metrics.add(await self._launcher.collect(self._crew)))
            case "reload":
                return await self._reload()
            case "upgrade":
                return await self._upgrade(connection)
            case "down":
                await self._down()
                asyncio.get_running_loop().call_later(0.05, self._ended.set)
                return {"pid": os.getpid()}
        raise InvalidError(f"There is no control verb {verb!r}.")

    def _signalled(self) -> None:
        if self._crew.ending:  # asked twice: whoever did so does not want to wait
            self._crew.kill()
            return
        self._background = asyncio.create_task(self._end())

    async def _end(self) -> None:
        await self._down()
        self._ended.set()

    def _hung_up(self) -> None:
        self._background = asyncio.create_task(self._reload_quietly())

    async def _reload_quietly(self) -> None:
        try:
            await self._reload()
        except SeraiError as error:
            self._log.error("reload.refused", error=error)

    # -- helpers ----------------------------------------------------------------------------------------------------

    def _spawn(self, plan: GroupPlan, index: int, *, alone: bool = False) -> Process:
        return self._launcher.spawn(plan, index, self._crew.changed, alone=alone)

    def _record(self) -> record.Record:
        return record.Record(
            pid=os.getpid(),
            ticks=linux.start_ticks(os.getpid()),
            version=serai.__version__,
            generation=self._launcher.generation,
            sockets={name: takeover.describe(sockets) for name, sockets in self._sockets.table().items()},
            workers=[process.record() for process in self._crew.all.values() if process.state != "gone"],
            restarts=self._crew.restarts,
        )

    def _write(self) -> None:
        if not self._started:
            return  # what an earlier supervisor wrote is what a later one needs if we fail
        try:
            record.write(self._home.record, self._record())
        except OSError as error:
            # A full disk: we go on; only a successor would miss what is not written.
            self._log.error("record.lost", error=error)

    async def _rotate(self) -> None:
        gid = self._settings.host.uid_base if self._root else -1
        while True:
            await asyncio.sleep(ROTATE_EVERY)
            with suppress(OSError):  # a full disk; the next look may find room
                logs.rotate(self._home.log, self._settings.log, gid)
