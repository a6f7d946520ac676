"""The reception: everything that knows people, made once per process and shared by all routes."""

from __future__ import annotations

import asyncio
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from serai.api.nudge import Nudge
from serai.daemon.home import Home
from serai.daemon.module import Context
from serai.daemon.service import load
from serai.errors import DeadlineError, SeraiError, UnavailableError
from serai.identity import sessions
from serai.identity.audit import StoreAudit
from serai.identity.directory import Directory
from serai.identity.hosts import introduce
from serai.identity.passwords import Passwords
from serai.identity.recognise import Recogniser
from serai.identity.seal import Keyring, create_key, open_keyring
from serai.identity.signin import SignIn
from serai.identity.sites import Site
from serai.identity.vault import Vault
from serai.store import Store

if TYPE_CHECKING:
    from serai.identity.passkeys import Passkeys

_POLL = 5.0  # seconds: a nudge may be lost
_SWEEP = 3600.0  # seconds between looks for what has expired

log = structlog.get_logger("api")


class Desk:
    """Users, tokens, sessions and invitations of one process. `open` before anybody asks; `follow` while serving.

    ``shown`` is a view of the store to show people their own from, where there is one that outlives its absence.
    """

    def __init__(
        self,
        ctx: Context,
        keyring: Keyring,
        site: Site,
        passwords: Passwords | None = None,
        *,
        shown: Store | None = None,
    ) -> None:
        self._ctx = ctx
        self.keyring = keyring
        self.passwords = passwords or Passwords()
        self.audit = StoreAudit(ctx.store, ctx.clock.now)
        self.directory = Directory(ctx.store)
        self._opened = self._introduced = False
        self.recogniser = Recogniser(self.directory)
        self.vault = Vault(shown or ctx.store, keyring)
        self._site = site
        self.signin = SignIn(
            ctx.store, self.directory, keyring, self.passwords, now=ctx.clock.now, monotonic=ctx.clock.monotonic
        )

    @cached_property
    def passkeys(self) -> Passkeys:
        """Return what makes and checks passkeys; its library costs 10 MiB, and is not there until somebody asks."""
        made: Passkeys = load("serai.identity.passkeys:Passkeys")(self._site, self.keyring)
        return made

    async def open(self) -> None:
        """Read who there is; nobody is known as long as the store is away."""
        try:
            await self.directory.open()
            self._opened = True
        except (UnavailableError, DeadlineError) as error:
            log.warning("api.people_unknown", reason=error.public)

    async def follow(self, nudge: Nudge) -> None:
        """Keep up with what other processes change, and end what has expired, until cancelled.

        It also gives this host its key, where it never had one.
        """
        swept = self._ctx.clock.monotonic()
        while True:
            seen = nudge.count
            try:
                if not self._opened:
                    await self.directory.open()
                    self._opened = True
                await self.directory.follow()
                if not self._introduced:
                    await introduce(self._ctx.store, self._ctx.host, self._ctx.home, self._ctx.clock.now())
                    self._introduced = True
                if self._ctx.clock.monotonic() - swept >= _SWEEP:
                    swept = self._ctx.clock.monotonic()
                    await sessions.sweep(self._ctx.store, self.directory, self._ctx.clock.now())
            except SeraiError as error:
                log.warning("api.people_unknown", reason=error.public)
                await asyncio.sleep(_POLL)
            await nudge.wait(seen, _POLL)


def site_of(base: str) -> Site:
    """Return where people meet the platform: ``console.BASE``."""
    host = f"console.{base}"
    return Site(name="Serai", host=host, origins=(f"https://{host}", f"https://{host}:8443"))


def keyring_of(home: Path) -> Keyring:
    """Return the home's keys, the first of which is made where there is none."""
    path = Home(home).keys
    if not path.exists():
        path.parent.mkdir(mode=0o700, exist_ok=True)
        create_key(path)
    return open_keyring(path)
