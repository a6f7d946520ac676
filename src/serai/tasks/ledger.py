"""What a bot says to the store: one exchange after another under one lease, and nothing said is forgotten."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from typing import Any

from serai.errors import SeraiError
from serai.store.driver import Driver
from serai.store.tasks import Exchange, Finish, Note, Want
from serai.tasks.pulse import Pulse


class Ledger:
    """The bot's row in the store, and what it still has to tell. A refused call keeps it for the next one."""

    def __init__(self, driver: Driver, name: str, queues: Sequence[str]) -> None:
        self.bot = ""  # the name under which it is enlisted; another one after each lost lease
        self.finishes: list[Finish] = []
        self.notes: list[Note] = []
        self._driver = driver
        self._name = name
        self._queues = tuple(queues)
        self._pulse: Pulse | None = None

    async def enlist(
        self,
        now: float,
        *,
        lease: float,
        stall: float,
        wanted: Callable[[list[int]], None],
        lost: Callable[[str], None],
        stalled: Callable[[], None],
    ) -> None:
        """Take a lease, and keep it by heartbeats."""
        rows, bot = self._driver.tasks, f"{self._name}#{secrets.token_hex(4)}"
        await self._driver.write(lambda tx: rows.enlist(tx, bot, self._queues, now=now))
        self.bot = bot
        self._pulse = Pulse(self._driver, bot, lease=lease, stall=stall, wanted=wanted, lost=lost, stalled=stalled)

    async def exchange(self, want: Want, now: float) -> tuple[list[Finish], Exchange]:
        """Tell notes and finishes and claim, in one transaction; return the finishes that it told."""
        rows, bot = self._driver.tasks, self.bot
        finishes, notes = list(self.finishes), list(self.notes)

        def work(tx: Any) -> Exchange:
            if notes:
                rows.note(tx, bot, notes)
            return rows.exchange(tx, bot, finishes, want, now=now)

        got = await self._driver.write(work)
        del self.finishes[: len(finishes)]
        del self.notes[: len(notes)]
        return finishes, got

    async def report(self) -> None:
        """Tell the notes by themselves."""
        rows, bot, notes = self._driver.tasks, self.bot, list(self.notes)
        await self._driver.write(lambda tx: rows.note(tx, bot, notes))
        del self.notes[: len(notes)]

    async def wanted(self) -> list[int]:
        """Return the numbers of held tasks that are to be cancelled."""
        rows, bot = self._driver.tasks, self.bot
        return await self._driver.write(lambda tx: rows.beat(tx, bot))

    async def leave(self, why: str, now: float) -> None:
        """Give the lease back, and with it what is still held."""
        rows, bot = self._driver.tasks, self.bot
        await self.drop()
        if bot:
            await self._driver.write(lambda tx: rows.bury(tx, bot, None, why, who=f"bot:{bot}", now=now))

    async def drop(self) -> None:
        """Forget a lease that is lost, and all that was to be told under it."""
        self.bot = ""
        self.finishes.clear()
        self.notes.clear()
        if self._pulse:
            await self._pulse.close()
            self._pulse = None


def is_lost(error: SeraiError) -> bool:
    """Tell whether an error of the store means that the lease is gone."""
    return error.code == "conflict"
