"""The agent's side of shells: open them in this host's instances, and tell the store when they end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shutil
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

import msgspec

from serai.bus import Bus, Subscription
from serai.cloud.drivers import Entry, Exit, Visit
from serai.daemon.module import Context
from serai.errors import ConflictError, DeniedError, ExhaustedError, InvalidError, NotFoundError, SeraiError
from serai.services.apps.addresses import Site
from serai.services.apps.checks import check_name
from serai.services.apps.descriptors import APP_NAME
from serai.services.apps.desired import View
from serai.services.apps.hosting import SharedDriver
from serai.services.apps.keeper import Keeper
from serai.services.apps.reconcile import Key
from serai.services.apps.shell import Shell
from serai.services.apps.shells.door import FOLDER
from serai.services.apps.shells.wish import SUBJECT, Greeting, Opened, ShellConfig, What, Wish
from serai.store import Delete

MOST = 128  # on a host: each takes a process of the platform's
AGAIN = 5.0  # seconds until an end that could not be written is written again
ENDS = {
    "idle": "nobody said anything",
    "detached": "nobody was there any more",
    "expired": "it was open as long as one may be",
    "ended": "it was ended",
    "stopped": "its instance ended",
    "lost": "nobody saw how it ended",
}


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept beside a shell, so that the next agent knows whose it is."""

    tenant: str
    name: str
    instance: str
    opened: float


class Shells:
    """Open shells in what ``keepers`` keep and ``view`` knows, and see to their ends."""

    def __init__(
        self,
        ctx: Context,
        driver: SharedDriver,
        config: ShellConfig,
        keepers: Mapping[Key, Keeper],
        view: View,
        site: Site,
    ) -> None:
        self._ctx = ctx
        self._driver = driver
        self._config = config
        self._keepers = keepers
        self._view = view
        self._site = site
        self._who = f"host:{ctx.host}"
        self._folder = ctx.home / FOLDER
        self._open: dict[str, Written] = {}  # by ID; those that are being opened, too

    async def begin(self, bus: Bus, spawn: Callable[[Coroutine[Any, Any, None]], object]) -> Subscription:
        """See to the shells of an earlier agent, and begin to answer."""
        self._spawn = spawn
        await asyncio.to_thread(self._furnish, self._folder)
        visits = {visit.folder.name: visit for visit in await self._driver.visits(self._folder)}
        for folder in self._folder.iterdir():
            written = _written(folder)
            if written is not None:
                self._open[folder.name] = written
                spawn(self._see_off(folder.name, visits.get(folder.name)))
            else:
                shutil.rmtree(folder, ignore_errors=True)
        for record in self._ctx.replica.find(Shell):
            if record.spec.host == self._ctx.host and record.name.partition(".")[2] not in self._open:
                spawn(self._tell_end(record.tenant, record.name, ENDS["lost"]))
        return await bus.handle(SUBJECT, self.on_wish)

    async def halt(self) -> None:
        """End all of them: the host goes down."""
        visits = await self._driver.visits(self._folder)
        await asyncio.gather(*(self._driver.leave(visit) for visit in visits))

    async def on_wish(self, message: Any) -> Any:
        """Open a shell and return what it is called."""
        try:
            wish = msgspec.convert(message, Wish)
        except msgspec.ValidationError as error:
            raise InvalidError("That is no wish for a shell.", detail=str(error)) from error
        check_name("app", APP_NAME, wish.app)
        return msgspec.to_builtins(await self._opened(wish))

    async def _opened(self, wish: Wish) -> Opened:
        key, keeper = self._choose(wish)
        self._admit(wish.tenant)
        ident = secrets.token_hex(8)
        written = Written(tenant=wish.tenant, name=f"{wish.app}.{ident}", instance=key[1], opened=self._ctx.clock.now())
        self._open[ident] = written
        visit = None
        try:
            await self._record(wish, written)
            if keeper.handle is None:
                raise ConflictError(f"{key[1]} does not run.", instance=key[1])
            entry = await asyncio.to_thread(self._entry, wish, written, self._folder / ident)
            visit = await self._driver.enter(keeper.handle, entry)
        finally:
            if visit is None:  # cancelled, too
                self._spawn(self._forget(ident, written, "it could not be started"))
        self._spawn(self._see_off(ident, visit))
        return Opened(id=ident, instance=key[1])

    def _choose(self, wish: Wish) -> tuple[Key, Keeper]:
        running = {
            key: keeper
            for key, keeper in self._keepers.items()
            if key[0] == wish.tenant and key[1].startswith(f"{wish.app}.") and keeper.seen.running
        }
        if wish.what.instance:
            key = (wish.tenant, wish.what.instance)
            if key not in running:
                raise NotFoundError(f"No instance {wish.what.instance} of {wish.app} runs.", path="instance")
            return key, running[key]
        fitting = [key for key in running if key[1].split(".")[2] == wish.what.process]
        if not fitting:
            raise ConflictError(f"No instance of {wish.app} {wish.what.process} runs: start one first.", path="process")
        best = max(fitting, key=lambda key: (running[key].seen.good is True, int(key[1].split(".")[1]), key))
        return best, running[best]

    def _admit(self, tenant: str) -> None:
        if not self._config.shells_each:
            raise DeniedError("Shells are turned off on this platform.")
        alive = [ident for ident in self._open if not (self._folder / ident / "exit.json").exists()]
        if sum(self._open[ident].tenant == tenant for ident in alive) >= self._config.shells_each:
            text = f"{tenant} has {self._config.shells_each} shells open, and no more at a time: end one."
            raise ExhaustedError(text, most=self._config.shells_each)
        if len(alive) >= MOST:
            raise ExhaustedError("Too many shells are open.", temporary=True, retry_after=60)

    async def _record(self, wish: Wish, written: Written) -> None:
        program = wish.what.command[0].rpartition("/")[2][:100] if wish.what.command else ""
        shell = Shell(
            app=wish.app,
            instance=written.instance,
            host=self._ctx.host,
            who=wish.who,
            program=program,
            terminal=wish.what.terminal is not None,
            opened=written.opened,
        )
        why = f"open a shell in {written.instance}" + (f" ({program})" if program else "")
        await self._ctx.store.put(wish.who, why, written.tenant, written.name, shell, expect=0)

    def _entry(self, wish: Wish, written: Written, folder: Path) -> Entry:
        self._furnish(folder)
        (folder / "shell.json").write_bytes(msgspec.json.encode(written))
        what: What = wish.what
        known = self._view.known.get((wish.tenant, written.instance))
        if known is None:
            raise ConflictError(f"{written.instance} is going away.", instance=written.instance)
        environment = dict(known.workload(self._ctx.home, self._site).env)
        owner = None
        if os.geteuid() == 0:
            # The control user has the number of the platform's group; workers of the edge, which are in that, have not.
            owner = (self._ctx.home / "data/apps").stat().st_gid
        if what.terminal is not None:
            environment["TERM"] = what.term
        return Entry(
            argv=what.command,
            env=environment,
            size=(what.terminal.rows, what.terminal.columns) if what.terminal else None,
            folder=folder,
            owner=owner,
            greeting=msgspec.json.encode(Greeting(tenant=wish.tenant, app=wish.app, whose=wish.whose)),
            idle=self._config.shell_idle_seconds,
            detached=self._config.shell_detached_seconds,
            seconds=self._config.shell_seconds,
        )

    def _furnish(self, folder: Path) -> None:
        folder.mkdir(mode=0o710, parents=True, exist_ok=True)
        if os.geteuid() == 0:
            os.chown(folder, 0, (self._ctx.home / "data/apps").stat().st_gid)
        folder.chmod(0o710)

    async def _see_off(self, ident: str, visit: Visit | None) -> None:
        written = self._open[ident]
        why = ENDS["lost"]
        if visit is not None:
            why = _described(await self._driver.left(visit), written)
        await self._forget(ident, written, why)

    async def _forget(self, ident: str, written: Written, why: str) -> None:
        await self._tell_end(written.tenant, written.name, f"the shell in {written.instance} ended: {why}")
        await asyncio.to_thread(shutil.rmtree, self._folder / ident, ignore_errors=True)
        del self._open[ident]

    async def _tell_end(self, tenant: str, name: str, why: str) -> None:
        """Take its record away, which says in the history when and why; the store may be away meanwhile."""
        while True:
            try:
                await self._ctx.store.change(self._who, why, [Delete(Shell.KIND, tenant, name, None)])
            except (NotFoundError, ConflictError):
                return
            except SeraiError as error:
                self._ctx.log.warning("shell.not_written", code=error.code, reason=error.public)
                await self._ctx.clock.sleep(AGAIN)
            else:
                return


def _described(ended: Exit, written: Written) -> str:
    how = ENDS.get(ended.reason) or (f"signal {-ended.code}" if ended.code < 0 else f"exit status {ended.code}")
    return f"{how}, after {max(0, round(ended.when - written.opened))} s"


def _written(folder: Path) -> Written | None:
    with contextlib.suppress(OSError, msgspec.DecodeError, UnicodeDecodeError):
        return msgspec.json.decode((folder / "shell.json").read_bytes(), type=Written)
    return None
