"""Makes a worker of a plan: the fork, and all that the child starts from."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from importlib import import_module
from typing import Any

import serai
from serai.daemon import logs, worker
from serai.daemon.channel import pair
from serai.daemon.context import Setting
from serai.daemon.crew import Crew
from serai.daemon.fork import fork
from serai.daemon.home import Home
from serai.daemon.plan import GroupPlan, bus_policy, user
from serai.daemon.process import Process
from serai.daemon.registry import Registry
from serai.daemon.service import load
from serai.daemon.sockets import SocketTable
from serai.daemon.tracker import tracker
from serai.errors import SeraiError

#: What nearly every worker needs: imported once in the warm parent, its pages are shared by all.
WARM = (
    "uvloop",
    "encodings.idna",
    "serai.bus.open",
    "serai.store.open",
    "serai.store.embedded.driver",
    "serai.store.replica",
)
#: What each of them would read for itself.
READ = ("serai.store.embedded.migrate:shipped",)


def warm_up() -> None:
    """Import and read what workers share."""
    for name in WARM:
        import_module(name)
    for path in READ:
        load(path)()


class Launcher:
    """Fork workers."""

    def __init__(self, home: Home, registry: Registry, sockets: SocketTable, *, terminal: bool) -> None:
        self._home = home
        self._registry = registry
        self._sockets = sockets
        self._terminal = terminal
        self._root = os.geteuid() == 0
        self.generation = 0

    def spawn(self, plan: GroupPlan, index: int, changed: Callable[[Process], None], *, alone: bool = False) -> Process:
        """Fork worker number ``index`` of a group."""
        self.generation += 1
        job = worker.Job(
            plan=plan,
            setting=Setting(
                home=self._home,
                host=plan.host.name,
                base=plan.host.base,
                group=plan.name,
                worker=index,
                drain=plan.host.drain_seconds,
                private_networks=plan.host.private_networks,
                private_authorities=plan.host.private_authorities,
                store=plan.store,
                bus_policy=bus_policy(plan, root=self._root),
                services=self._registry.services,
            ),
            sockets=self._sockets.of(plan, index),
            generation=self.generation,
            alone=alone,
        )
        ours, theirs = pair()
        # All sockets of the group, other workers' UDP ones too: a successor may need to fetch them from us.
        keep = {sock.fileno() for name in self._sockets.keys_of(plan) for sock in self._sockets.table()[name]}
        keep.add(theirs.fileno())

        def main() -> int:
            return self._work(job, theirs)

        ids = user(plan.privilege, plan.host, root=self._root)
        pid = fork(main, keep=keep, user=ids, privilege=plan.privilege)
        theirs.close()
        return Process(pid, plan.name, index, self.generation, ours, changed)

    async def collect(self, crew: Crew) -> list[list[Any]]:
        """Return the metrics of all workers that answer."""
        collected = []
        for process in list(crew.all.values()):
            try:
                collected.append((await process.ask("metrics"))["metrics"])
            except SeraiError:
                continue  # it is leaving, or it is stuck, which its status says
        return collected

    def _work(self, job: worker.Job, channel: socket.socket) -> int:
        plan = job.plan
        track = tracker(plan.sentry.dsn, host=plan.host.name, release=serai.__version__, group=plan.name)
        log = logs.configure(
            logs.LogFile(self._home.log),
            plan.log.level,
            terminal=self._terminal,
            track=track,
            group=plan.name,
            worker=job.setting.worker,
            pid=os.getpid(),
        )
        try:
            return worker.run(job, self._registry, log, channel)
        finally:
            if track is not None:
                track.flush()
