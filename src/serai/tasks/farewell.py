"""How a bot ends: what runs is waited for or handed back, and what can't be stopped goes with the process."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence

import structlog

from serai.errors import SeraiError
from serai.store.tasks import Finish, Note
from serai.tasks.crew import Crew
from serai.tasks.ledger import Ledger
from serai.tasks.timing import Clock


class Farewell:
    """The end of one bot, of which ``settle`` acknowledges what is over.

    ``stuck`` are the runs that did not stop when they were told to, as they become known; ``lost`` tells whether others
    have the bot's tasks by now.
    """

    def __init__(
        self,
        crew: Crew,
        ledger: Ledger,
        settle: Callable[[], Awaitable[None]],
        clock: Clock,
        *,
        drain: float,
        stuck: Sequence[Finish],
        lost: Callable[[], bool],
        log: structlog.stdlib.BoundLogger,
    ) -> None:
        self._crew = crew
        self._ledger = ledger
        self._settle = settle
        self._clock = clock
        self._drain = drain
        self._stuck = stuck
        self._lost = lost
        self._log = log

    async def leave(self) -> None:
        """Wait for what runs, acknowledge it as it ends, stop the rest, and give the lease back."""
        self._crew.lane.hand_back("its bot is shutting down")
        give_up = asyncio.get_running_loop().time() + self._drain
        while self._crew.jobs and not self._lost() and (left := give_up - asyncio.get_running_loop().time()) > 0:
            await asyncio.wait(self._crew.jobs, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            await self._settle()
        await self._crew.stop_all("lost" if self._lost() else "drain")
        if self._stuck:
            await self._abandon()
            return
        await self._settle()
        with contextlib.suppress(SeraiError):  # then the lease runs out by itself
            await self._ledger.leave("its bot ended", self._clock.now())

    async def _abandon(self) -> None:
        """Tell what can be told of runs that can't be stopped, and end the process.

        One that another bot will run again is not handed back here, as it still runs: it is lost with this process.
        """
        for finish in self._stuck:
            if finish.state == "to_do":
                line = (self._clock.now(), finish.why)
                self._ledger.notes.append(Note(number=finish.number, run=finish.run, lines=(line,)))
            else:
                self._ledger.finishes.append(finish)
        await self._settle()
        self._log.critical("tasks.stuck", bot=self._ledger.bot, tasks=[finish.number for finish in self._stuck])
        self._ledger.kill()
        await self._ledger.drop(stuck=True)
