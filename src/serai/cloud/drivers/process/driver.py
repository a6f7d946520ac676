"""The verbs of the process driver."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

from serai.cloud.drivers.contract import Entry, Exit, Handle, Probe, Usage, Visit, Workload
from serai.cloud.drivers.process import command, measure, network, probes, processes, visits
from serai.cloud.drivers.process.cgroups import Groups, NoGroups
from serai.cloud.drivers.process.cgroups_open import open_groups
from serai.cloud.drivers.process.egress import Egress
from serai.cloud.drivers.process.facts import Facts, gather
from serai.cloud.drivers.process.options import Options
from serai.cloud.drivers.process.records import Folders, read_small
from serai.cloud.drivers.process.starts import NAME, Starts
from serai.errors import ConflictError, InvalidError

KILL = 9
TERMINATE = 15
LAST_WORDS = 3.0  # seconds for a shim to write down how its workload ended


class ProcessDriver:
    """Run workloads as locked-in processes of this host.

    ``run`` is the folder of workloads' folders. ``name`` tells homes on one host apart: control groups, tables and
    interfaces carry it. As root, ``gid`` is the group that may connect to connectors and read logs.
    """

    NAME = NAME

    def __init__(
        self,
        run: Path,
        *,
        name: str,
        gid: int | None = None,
        options: Options | None = None,
        facts: Facts | None = None,
        groups: Groups | None = None,
    ) -> None:
        self._options = options or Options()
        self._facts = facts or gather()
        self._root = os.geteuid() == 0
        gid = gid if self._root else None
        self._folders = Folders(run, gid)
        self._plan = network.plan(name)
        self._groups = groups or open_groups(self._plan.table)
        self._egress = Egress(name, self._facts, self._options)
        self._starting: set[str] = set()
        self._starts = Starts(self._facts, self._options, self._groups, self._egress, self._folders, self._plan, gid)

    async def probe(self) -> Sequence[Probe]:
        """Try each ability by doing it."""
        return await probes.probe(self._facts, self._groups, self._egress, self._options, self)

    async def start(self, workload: Workload) -> Handle:
        """Start it and return when its program is executing.

        Raises `InvalidError` for a value or a program that can't be run, `AlreadyExistsError`, `ExhaustedError` where
        addresses are used up, `UnsupportedError` where no sandbox can be made, `DeadlineError`.
        """
        command.check(workload)
        if self._root and workload.uid is None:
            raise InvalidError("As root, a workload needs a user ID of its own.", path="uid")
        uid = workload.uid if self._root else None
        kind = await probes.network_kind(workload, self._facts, self._options, root=self._root)
        folder = self._folders.create(workload.id, uid)
        link = -1
        self._starting.add(workload.id)
        try:
            if kind == "routed":
                await self._egress.prepare()
                link = self._egress.take()
            return await self._starts.begin(workload, uid, folder, kind, link)
        except BaseException:
            # Also when cancelled: the shim ends with the conversation, and nothing remembers it.
            await asyncio.shield(self._forget(workload.id, link))
            raise
        finally:
            self._starting.discard(workload.id)

    def expect(self) -> None:
        """Have a shim ready for a start that is likely to come within moments; it ends where none does."""
        self._starts.expect()

    async def recover(self) -> Sequence[Handle]:
        """Find every workload that an earlier agent started and that still runs, or that ended unseen.

        Clears up what a crash left of starts: no other process may be starting workloads of this home meanwhile.
        """
        handles = self._folders.handles()
        for handle in handles:
            link = self._folders.record(handle).link
            if link >= 0:
                self._egress.keep(link)
        for folder in self._folders.orphans():
            if folder.name not in self._starting:
                await self._forget(folder.name, -1)
        return handles

    async def wait(self, handle: Handle) -> Exit:
        """Return when it has ended, at once if it has."""
        await processes.ended(handle.pid, handle.started)
        return self._folders.exit(handle)

    async def signal(self, handle: Handle, number: int) -> None:
        """Send a signal to its first process; nothing where it has ended."""
        record = self._folders.record(handle)
        processes.send(record.program, record.program_started, number)

    async def stop(self, handle: Handle, *, grace: float = 10.0) -> Exit:
        """SIGTERM, wait ``grace`` seconds, then kill everything in it. Nothing of it is alive afterwards."""
        record = self._folders.record(handle)
        if processes.alive(handle.pid, handle.started):
            with contextlib.suppress(OSError):  # on a full disk it ends as well, and may look killed
                (self._folders.path(handle.id) / "stopping").touch()
        processes.send(record.program, record.program_started, TERMINATE)
        if not await _ends(handle, grace):
            # With bubblewrap dies the first process of the PID namespace, and with that, all others in it.
            processes.send(record.sandbox, record.sandbox_started, KILL)
            await self._groups.kill(handle.id)
            if not await _ends(handle, LAST_WORDS):
                processes.send(handle.pid, handle.started, KILL)
                await processes.ended(handle.pid, handle.started)
        await processes.ended(record.program, record.program_started)
        await self._groups.kill(handle.id)
        return self._folders.exit(handle)

    async def remove(self, handle: Handle) -> None:
        """Take away its cgroup, folder, network; it must have ended. Safe to call again."""
        if processes.alive(handle.pid, handle.started):
            raise InvalidError("It still runs: stop it first.", path="handle", id=handle.id)
        if self._folders.path(handle.id).exists():
            await self._forget(handle.id, self._folders.record(handle).link)

    async def usage(self, handle: Handle) -> Usage:
        """Measure it."""
        found = self._groups.usage(handle.id)
        if found is not None:
            return found
        return await asyncio.to_thread(measure.usage, self._folders.record(handle).program)

    async def connections(self, handle: Handle) -> int:
        """Count established TCP connections to its port, for draining."""
        return measure.connections(handle.pid, self._folders.record(handle).port)

    async def enter(self, handle: Handle, entry: Entry) -> Visit:
        """Run a further program inside of what runs. See `Enterable`."""
        record = self._folders.record(handle)
        if not processes.alive(record.program, record.program_started):
            raise ConflictError("It has ended.", id=handle.id)
        command.check_words(entry.argv, entry.env)
        config = {
            **command.confine(record.cwd, record.writable, record.limits, grouped=self._groups.NAME != NoGroups.NAME),
            "pid": record.program,
            "started": str(record.program_started),
            "seccomp": read_small(self._folders.path(handle.id) / "seccomp.bpf"),
            "groups": [str(path) for path in self._groups.entrances(handle.id)],
            "shim_groups": [str(path) for path in self._groups.shims()],
        }
        return await visits.begin(self._facts.python, config, entry, self._options.start_seconds)

    async def visits(self, folder: Path) -> Sequence[Visit]:
        """Find those that were entered, by their folders."""
        return visits.find(folder)

    async def left(self, visit: Visit) -> Exit:
        """Return when it has ended."""
        await processes.ended(visit.pid, visit.started)
        return visits.exit_of(visit)

    async def leave(self, visit: Visit) -> Exit:
        """Hang up, kill what stays of its session, and return when that is done."""
        processes.send(visit.pid, visit.started, TERMINATE)
        return await self.left(visit)

    async def retire(self) -> None:
        """Remove what the home keeps on this host beyond its workloads; none may be left."""
        if self._root:
            await self._egress.retire()
        await self._groups.retire()

    async def _forget(self, ident: str, link: int) -> None:
        await self._groups.kill(ident)
        await self._groups.remove(ident)
        if link >= 0:
            await self._egress.release(link)
        await asyncio.to_thread(self._folders.remove, ident)


async def _ends(handle: Handle, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await processes.ended(handle.pid, handle.started)
    except TimeoutError:
        return False
    return True
