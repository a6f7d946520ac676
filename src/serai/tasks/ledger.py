"""What a bot says to the store: one exchange after another under one lease, and nothing said is forgotten."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from functools import partial
from time import monotonic
from typing import Any, TypeVar

from serai.errors import SeraiError, UnavailableError
from serai.store.driver import Driver, Prompt
from serai.store.retry import Patience, repeat
from serai.store.tasks import Exchange, Finish, Note, Want
from serai.tasks.fence import Fence, Lease, boottime
from serai.tasks.process import identity, is_dead
from serai.tasks.pulse import Pulse

T = TypeVar("T")

#: Seconds that exchanges may keep the event loop in the mean; where they take longer, a thread does them.
_QUICK = 0.01
_WEIGHT = 0.1  # of the latest in the mean
_AWHILE = 1.0  # seconds after which they may prove themselves again


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
        self._lease: Lease | None = None
        self._prompt = driver if isinstance(driver, Prompt) else None
        self._reporting = False
        self._mean = 0.0  # seconds of an exchange on the event loop's own thread
        self._slow_until = 0.0  # they turned out to take long

    async def enlist(
        self,
        now: float,
        *,
        lease: float,
        fence: Fence,
        stall: float,
        wanted: Callable[[list[int]], None],
        lost: Callable[[SeraiError], None],
        stalled: Callable[[], None],
    ) -> None:
        """Take a lease, and keep it by heartbeats; bury who had this name before us and is surely dead."""
        rows, bot = self._driver.tasks, f"{self._name}#{identity()}#{secrets.token_hex(4)}"
        self._lease = Lease(lease, fence)

        def work(tx: Any) -> None:
            rows.enlist(tx, bot, self._queues, now=now)
            for other in rows.bots(tx):
                name, _, rest = other.name.partition("#")
                if name == self._name and is_dead(rest.partition("#")[0]):
                    why = f"lease lost: the process of {other.name} died"
                    rows.bury(tx, other.name, other.beat, why, who=f"bot:{bot}", now=now)

        try:
            await self._driver.write(work)
        except BaseException:
            self._lease.end()
            raise
        self.bot = bot
        beat: Callable[[], Any] = lambda: self._write(lambda tx: rows.beat(tx, bot))  # noqa: E731 - for the pulse alone
        self._pulse = Pulse(beat, self._lease, stall=stall, wanted=wanted, lost=lost, stalled=stalled)

    async def exchange(self, want: Want, now: float, *, alone: bool = False) -> tuple[list[Finish], Exchange]:
        """Tell notes and finishes and claim, in one transaction; return the finishes that it told.

        ``alone``: nothing else runs on the event loop that could not wait meanwhile. Then nobody waits for the disk,
        where the engine is in this process. What was claimed and what was told is durable some milliseconds later. All
        processes see it already, and keep it whoever is killed: leases and what acknowledgements are checked against
        lie in the same memory. Only the whole machine's end can undo it, which is the end of the functions, too: so
        nobody runs such a task meanwhile, and afterwards it runs from its beginning as after any crash, though its
        story may not know of the run before. What a function writes to the store, its acknowledgement above all, comes
        later in the same log: that is durable with the claim or not at all.
        """
        rows, bot = self._driver.tasks, self.bot
        finishes, notes = list(self.finishes), self._take_notes()

        def work(tx: Any) -> Exchange:
            if notes:
                rows.note(tx, bot, notes)
            return rows.exchange(tx, bot, finishes, want, now=now)

        try:
            got = self._write_here(work) if alone else None
            if got is None:
                got = await self._write(work)
        except BaseException:
            self.notes[:0] = notes
            raise
        del self.finishes[: len(finishes)]
        return finishes, got

    async def report(self) -> None:
        """Tell the notes by themselves."""
        rows, bot, notes = self._driver.tasks, self.bot, self._take_notes()
        self._reporting = True  # no exchange on another connection may overtake it
        try:
            await self._write(lambda tx: rows.note(tx, bot, notes))
        except BaseException:
            self.notes[:0] = notes
            raise
        finally:
            self._reporting = False

    def _take_notes(self) -> list[Note]:
        """Take the notes, so that an exchange and a report under way at once don't tell the same ones."""
        notes, self.notes = self.notes, []
        return notes

    async def wanted(self) -> list[int]:
        """Return the numbers of held tasks that are to be cancelled."""
        rows, bot = self._driver.tasks, self.bot
        return await self._write(lambda tx: rows.beat(tx, bot))

    async def leave(self, why: str, now: float) -> None:
        """Give the lease back, and with it what is still held."""
        rows, bot = self._driver.tasks, self.bot
        await self.drop()
        if bot:
            # The store may be busy just when many leave: who is not struck off passes for dead later.
            bury = partial(rows.bury, bot=bot, beat=None, why=why, who=f"bot:{bot}", now=now)
            await repeat(Patience(), lambda: self._driver.write(bury))

    async def drop(self, *, stuck: bool = False) -> None:
        """Forget a lease, and all that was to be told under it; the fence stays where something is ``stuck``."""
        self.bot = ""
        self.finishes.clear()
        self.notes.clear()
        if self._pulse:
            await self._pulse.close()
            self._pulse = None
        if self._lease and not stuck:
            self._lease.end()

    def kill(self) -> None:
        """End the process at once, where it has a fence: what it runs is another bot's by now."""
        if self._lease:
            self._lease.kill()

    async def _write(self, work: Callable[[Any], T]) -> T:
        """Write what counts as a heartbeat."""
        lease, sent = self._held(), boottime()
        try:
            result = await self._driver.write(lambda tx: _inside(lease, work, tx))
        except BaseException:
            lease.outside()
            raise
        lease.renew(sent)
        return result

    def _write_here(self, work: Callable[[Any], T]) -> T | None:
        """Write like `_write`, on this thread, where the engine can do it at once; else None, and nothing was done."""
        prompt, lease, sent = self._prompt, self._held(), boottime()
        if prompt is None or self._reporting or (self._slow_until and monotonic() < self._slow_until):
            return None
        lease.inside()  # a moment early: nobody waits for us yet
        try:
            result = prompt.write_here(work)
        except UnavailableError as error:
            lease.outside()
            if error.temporary:
                return None
            raise
        except BaseException:
            lease.outside()
            raise
        lease.renew(sent)
        self._mean += (boottime() - sent - self._mean) * _WEIGHT
        if self._mean > _QUICK:
            self._slow_until, self._mean = monotonic() + _AWHILE, 0.0
        return result

    def _held(self) -> Lease:
        if self._lease is None:
            raise RuntimeError("the bot is not enlisted")
        return self._lease


def _inside(lease: Lease, work: Callable[[Any], T], tx: Any) -> T:
    lease.inside()
    return work(tx)


def is_unknown(error: SeraiError) -> bool:
    """Tell whether nobody knows if a call was done: then the store may say that we hold what we never heard of."""
    return error.fields.get("outcome") == "unknown"


def is_lost(error: SeraiError) -> bool:
    """Tell whether an error of the store means that the lease was given away."""
    return error.code == "conflict"
