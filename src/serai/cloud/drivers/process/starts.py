"""How a workload begins: what its shim is told, what that asks for, and what is written down of it."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

from serai.cloud.drivers.contract import Handle, Workload
from serai.cloud.drivers.process import command, network, probes, processes, spawn
from serai.cloud.drivers.process.cgroups import Groups, NoGroups
from serai.cloud.drivers.process.egress import Egress
from serai.cloud.drivers.process.facts import Facts
from serai.cloud.drivers.process.options import Options
from serai.cloud.drivers.process.records import Folders, Record
from serai.cloud.drivers.process.seccomp import program
from serai.errors import InternalError

NAME = "process"  # of the driver, as handles carry it
DEFAULT_WEIGHT = 100
EXPECTED = 2.0  # seconds that a shim waits for a start


class Starts:
    """Begin workloads. ``gid`` is the group that may connect to connectors, None where there is none."""

    def __init__(
        self,
        facts: Facts,
        options: Options,
        groups: Groups,
        egress: Egress,
        folders: Folders,
        plan: network.Plan,
        gid: int | None,
    ) -> None:
        self._facts, self._options, self._groups = facts, options, groups
        self._egress, self._folders, self._plan, self._gid = egress, folders, plan, gid
        self._expected: spawn.Conversation | None = None
        self._seccomp = b""
        self._parts: dict[str, bytes] = {}

    def expect(self) -> None:
        """Have a shim ready for a start that is likely to come within moments; it ends where none does."""
        if self._expected is None:
            self._expected = spawn.Conversation()
            self._expected.begin(self._facts.python, self._folders.run, Path(os.devnull))
            asyncio.get_running_loop().call_later(EXPECTED, self._dismiss, self._expected)

    async def begin(self, workload: Workload, uid: int | None, folder: Path, kind: str, link: int) -> Handle:
        """Return when its program is executing; of a start that fails nothing runs, and the rest is the caller's."""
        talk, self._expected = self._expected or spawn.Conversation(), None
        # A thread can't be cancelled: what it makes must be there before it is taken away again.
        making = asyncio.create_task(asyncio.to_thread(self._config, workload, uid, folder, kind, link))
        try:
            if not talk.begun:
                talk.begin(self._facts.python, folder, folder / "shim.log")
            await talk.configure(await asyncio.shield(making))

            async def connect(pid: int) -> None:
                await self._egress.attach(link, pid)

            work = talk.until_running(connect, workload.argv[0])
            running = await spawn.within(self._options.start_seconds, work)
            handle = self._written(workload, folder, running, link)
            await talk.confirm()
        except BaseException:
            talk.release()
            await asyncio.shield(asyncio.gather(making, talk.abandon(), return_exceptions=True))
            raise
        finally:
            talk.close()
        return handle

    def _dismiss(self, talk: spawn.Conversation) -> None:
        if self._expected is talk:
            self._expected = None
            talk.close()

    def _config(self, workload: Workload, uid: int | None, folder: Path, kind: str, link: int) -> dict[str, Any]:
        """Make the control group and return what the shim is told."""
        if not self._seccomp:
            self._seccomp, self._parts = program(self._facts.machine), spawn.parts(command.PARTS, self._facts.python)
        (folder / "seccomp.bpf").write_bytes(self._seccomp)
        resolvers = self._options.resolvers or self._facts.resolvers
        names = command.Hosts("localhost.localdomain", (network.SLIRP_DNS,) if kind == "slirp" else resolvers)
        plan = command.plan(
            workload, self._facts, self._parts, self._seccomp, names, grouped=self._groups.NAME != NoGroups.NAME
        )
        try:
            groups = self._groups.create(workload.id, workload.limits)
        except OSError as error:
            raise InternalError("Its control group can't be made.", id=workload.id, error=str(error)) from error
        pair = self._plan.pair(max(link, 0))
        own = self._groups.kills(workload.id)
        return {
            "folder": str(folder),
            "uid": -1 if uid is None else uid,
            "gid": -1 if uid is None else uid,
            "connector_gid": -1 if self._gid is None else self._gid,
            "argv": plan.argv,
            "files": plan.files,
            "report_fd": command.REPORT_FD,
            "groups": [str(path) for path in groups],
            "shim_groups": [str(path) for path in self._groups.shims()],
            "oom": str(own) if own else "",
            "watch": 0 if own else workload.limits.memory_mb << 20,
            "nice": 10 if own is None and workload.limits.weight < DEFAULT_WEIGHT else 0,
            "log": workload.limits.log_mb << 20,
            "network": kind,
            "address": [pair.address, "255.255.255.254", pair.gateway],
            "slirp": network.slirp(self._facts.slirp),
            "rules": [self._facts.nft, network.slirp_rules(probes.slirp_denied(self._options), self._options.allow)],
        }

    def _written(self, workload: Workload, folder: Path, running: spawn.Started, link: int) -> Handle:
        handle = Handle(
            id=workload.id,
            driver=NAME,
            pid=running.shim,
            started=processes.started(running.shim),
            folder=folder,
            connector=folder / "connector",
            log=folder / "state" / "log",
        )
        record = Record(
            program=running.program,
            program_started=processes.started(running.program),
            sandbox=running.sandbox,
            sandbox_started=processes.started(running.sandbox),
            port=workload.port,
            cwd=workload.cwd,
            writable=tuple(mount.target for mount in workload.mounts if mount.writable),
            limits=workload.limits,
            link=link,
        )
        self._folders.write(handle, record)
        return handle
