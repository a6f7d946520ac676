"""What a task's function gets: its task, a way to report, a way to see that it should stop, and the house."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from serai.store.tasks import MAX_LINE, MAX_LOG_LINES, Note, Task

if TYPE_CHECKING:
    from serai.bus import Bus
    from serai.store import Store
    from serai.tasks.manager import Tasks
    from serai.tasks.timing import Clock


class CanceledError(asyncio.CancelledError):
    """Somebody asked for the task to be cancelled: clean up and let this pass."""


class TaskContext:
    """One run of a task.

    ``resources`` is what the module that runs the bot offers to functions, by name. A cancel reaches the function
    as `asyncio.CancelledError` at what it awaits; one that computes without awaiting asks `checkpoint`.
    """

    def __init__(
        self,
        task: Task,
        *,
        store: Store,
        bus: Bus | None,
        tasks: Tasks,
        clock: Clock,
        resources: Mapping[str, Any],
    ) -> None:
        self.task = task
        self.store = store
        self.bus = bus
        self.tasks = tasks
        self.clock = clock
        self.resources = resources
        self.canceling = False
        self._progress: float | None = None
        self._sentence = ""
        self._lines: deque[tuple[float, str]] = deque(maxlen=MAX_LOG_LINES)

    @property
    def who(self) -> str:
        """Return the principal that this run acts as in histories."""
        return f"task:{self.task.id}"

    def log(self, line: str) -> None:
        """Keep a line of output with the task; text of several lines is split. Visible within a second."""
        for each in line.splitlines() or [""]:
            self._lines.append((self.clock.now(), each[:MAX_LINE]))

    def progress(self, fraction: float, sentence: str = "") -> None:
        """Say how far it is (0 to 1) and what it is doing."""
        self._progress = fraction
        self._sentence = sentence

    def checkpoint(self) -> None:
        """Raise `CanceledError` where the task is to stop."""
        if self.canceling:
            raise CanceledError

    def take_note(self) -> Note | None:
        """Return what was reported since the last time; the bot's business."""
        if self._progress is None and not self._lines:
            return None
        note = Note(
            number=self.task.number,
            run=self.task.run,
            progress=self._progress,
            sentence=self._sentence,
            lines=tuple(self._lines),
        )
        self._progress = None
        self._lines.clear()
        return note
