"""What a task's function gets: its task, a way to report, a way to see that it should stop, and the house."""

from __future__ import annotations

import asyncio
import contextlib
import math
import threading
from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from serai.store.tasks import MAX_LINE, MAX_LOG_LINES, Note, Task
from serai.store.tasks_rules import keepable

if TYPE_CHECKING:
    from serai.bus import Bus
    from serai.store import Store
    from serai.tasks.manager import Tasks
    from serai.tasks.timing import Clock

#: Held while a run's log is made, which happens once in it.
_making = threading.Lock()


class CanceledError(asyncio.CancelledError):
    """Somebody asked for the task to be cancelled: clean up and let this pass."""


class House(msgspec.Struct, frozen=True):
    """What all runs of one bot share; an isolated function's house is empty but for clock and resources."""

    store: Store
    bus: Bus | None
    tasks: Tasks
    clock: Clock
    resources: Mapping[str, Any]


class TaskContext:
    """One run of a task.

    ``resources`` is what the module that runs the bot offers to functions, by name. A cancel reaches an async function
    as `asyncio.CancelledError` at what it awaits; one that computes without awaiting asks `checkpoint`. `log`,
    `progress` and `checkpoint` may be called on any thread.
    """

    # Made for each task, however short: nothing is made before it is asked for.
    __slots__ = ("_house", "_lines", "_report", "canceling", "task")

    def __init__(self, task: Task, house: House) -> None:
        self.task = task
        self.canceling = False
        self._house = house
        self._report: tuple[float, str] | None = None
        self._lines: deque[tuple[float, str]] | None = None

    @property
    def store(self) -> Store:
        """Return the store."""
        return self._house.store

    @property
    def bus(self) -> Bus | None:
        """Return the bus, where there is one."""
        return self._house.bus

    @property
    def tasks(self) -> Tasks:
        """Return the task manager: to insert more, and to ask."""
        return self._house.tasks

    @property
    def clock(self) -> Clock:
        """Return the time."""
        return self._house.clock

    @property
    def resources(self) -> Mapping[str, Any]:
        """Return what the module that runs the bot offers, by name."""
        return self._house.resources

    @property
    def who(self) -> str:
        """Return the principal that this run acts as in histories."""
        return f"task:{self.task.id}"

    def log(self, line: str) -> None:
        """Keep a line of output with the task; text of several lines is split. Visible within a second."""
        if self._lines is None:
            with _making:
                self._lines = self._lines or deque(maxlen=MAX_LOG_LINES)
        for each in keepable(line).splitlines() or [""]:
            self._lines.append((self._house.clock.now(), each[:MAX_LINE]))

    def progress(self, fraction: float, sentence: str = "") -> None:
        """Say how far it is (0 to 1) and what it is doing."""
        self._report = 0.0 if math.isnan(fraction) else min(max(fraction, 0.0), 1.0), keepable(sentence)

    def checkpoint(self) -> None:
        """Raise `CanceledError` where the task is to stop."""
        if self.canceling:
            raise CanceledError

    def take_note(self) -> Note | None:
        """Return what was reported since the last time; the bot's business."""
        report, lines = self._report, self._lines
        if report is None and not lines:
            return None
        self._report = None
        taken: list[tuple[float, str]] = []
        if lines:
            with contextlib.suppress(IndexError):  # the function may go on logging meanwhile
                while len(taken) < MAX_LOG_LINES:
                    taken.append(lines.popleft())
        fraction, sentence = report or (None, "")
        number, run = self.task.number, self.task.run
        return Note(number=number, run=run, progress=fraction, sentence=sentence, lines=tuple(taken))
