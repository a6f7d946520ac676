"""What an engine brings: statements over tasks, lanes, gates and what hangs on them, within one open transaction.

None of them decides anything. Lists of tasks are by number unless said otherwise, and leave arguments and results out.
A task is «inside» its channel where it is live and neither waits for its place there nor for other tasks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from serai.store.taskrows.holds import Holds
from serai.store.tasks import BotRow, Ended, Filter, LogLine, Pause, Scope, StoryLine, Task, Wait

#: Bits of a task's ``ties``: what has to be seen to when it moves.
CHANNEL, FOLLOWED, UNIQUE, GATED, PROBE = 1, 2, 4, 8, 16
#: It runs, and its app's code has changed since it began: it has not looked at what there is now, and is not parked.
RELEASED = 32
#: Those with which a run that went well may still be acknowledged together with others.
LOOSE = CHANNEL | GATED


class Done(NamedTuple):
    """A run that was acknowledged; the rest is only told of a task that has ``ties``."""

    number: int
    ties: int
    tenant: str
    provider: str
    channel: str


class Head(NamedTuple):
    """The first row that waits for its place in a channel."""

    number: int
    queue: str
    tenant: str
    provider: str
    channel: str
    not_before: float
    paused: bool  # the channel is


class Look(NamedTuple):
    """What a bot's exchange begins with: whether it is known, and what `Shelf.timers` returns.

    ``gated`` is what `Holds.has_gates` returns; None where an engine does not look at that with the rest.
    """

    known: bool
    due: float | None
    expires: float | None
    gated: bool | None = None


class Shelf(Holds, Protocol):
    """The statements of an engine."""

    def add(self, task: Task, *, lane: int | None, lock: str | None) -> int:
        """Insert a row and its arguments; return its number, greater than all before."""
        ...

    def append(self, task: Task, *, lane: int | None, lock: str | None) -> None:
        """Insert a row and its arguments, like `add`; its number nobody needs yet."""
        ...

    def number(self, task: str) -> int | None:
        """Return the number of an id."""
        ...

    def holder(self, tenant: str, lock: str) -> str | None:
        """Return the id of the task that holds a key."""
        ...

    def task(self, number: int) -> Task | None:
        """Return a row."""
        ...

    def whole(self, number: int) -> Task | None:
        """Return a row with its arguments and its result."""
        ...

    def find(self, wanted: Filter) -> list[Task]:
        """List rows, newest first, at most `serai.store.tasks.MAX_PAGE`."""
        ...

    def change(self, number: int, **columns: Any) -> None:
        """Set columns of a row: fields of `Task`, and ``lane``, ``lock``."""
        ...

    def take(self, numbers: Sequence[int], bot: str, now: float, ties: int) -> list[Task]:
        """Start rows with more ties, without progress; return them in this order, arguments included."""
        ...

    def finish(self, bot: str, run: int, numbers: Sequence[int], now: float) -> list[Done]:
        """End those of the rows well that a bot holds in this run, with no ties but `LOOSE` ones; `GATED` goes."""
        ...

    def keep(self, results: Sequence[tuple[int, bytes]]) -> None:
        """Write results of rows."""
        ...

    def ready(self, lane: int, limit: int, skip: int) -> list[tuple[int, str]]:
        """Return number and function of a lane's rows past the first ones, by priority, then number."""
        ...

    def functions(self, lane: int, limit: int, skip: int) -> set[str]:
        """Return the functions of the rows that `ready` would return."""
        ...

    def parked(self, function: str, limit: int) -> list[Task]:
        """Return rows that wait for somebody who knows their function."""
        ...

    def parked_of(self, tenant: str, app: str, limit: int) -> list[Task]:
        """Return rows of an app that wait for somebody who knows their function."""
        ...

    def due(self, now: float, limit: int) -> list[Task]:
        """Return rows whose time has come, earliest first."""
        ...

    def expired(self, now: float, limit: int) -> list[Task]:
        """Return rows in to_do that had to start by now."""
        ...

    def timers(self) -> tuple[float | None, float | None]:
        """Return when the next row's time comes, and when the next one expires."""
        ...

    def held(self, bot: str) -> list[Task]:
        """Return what a bot runs."""
        ...

    def to_cancel(self, bot: str) -> list[int]:
        """Return the numbers of what a bot runs and has to stop."""
        ...

    def tie_running(self, scope: Scope, name: str, ties: int) -> int:
        """Add ties to all that runs in a scope; return how many that are."""
        ...

    def release_running(self, tenant: str, app: str) -> None:
        """Tie all that runs of an app with `RELEASED`."""
        ...

    def children(self, parent: str, limit: int) -> list[Task]:
        """Return rows in to_do with this parent."""
        ...

    def inside(self, channel: str) -> int:
        """Count the rows inside a channel."""
        ...

    def waiting_inside(self, channel: str) -> list[Task]:
        """Return rows inside a channel that are in to_do."""
        ...

    def behind(self, channel: str, limit: int) -> list[Task]:
        """Return the first rows that wait for their place in a channel."""
        ...

    def heads(self, channels: Sequence[str]) -> list[Head]:
        """Return the first row that waits for its place in each of these channels that holds nobody."""
        ...

    def let_in(self, numbers: Sequence[int], wait: Wait, lane: int | None) -> None:
        """Set what rows wait for, and their lane."""
        ...

    def link(self, number: int, firsts: Sequence[int]) -> None:
        """Keep which rows a row comes after, in this order, and tie those with `FOLLOWED`."""
        ...

    def followers(self, number: int) -> list[Task]:
        """Return rows in to_do that come after a row and wait for tasks."""
        ...

    def firsts(self, number: int) -> list[Ended]:
        """Return what a row comes after, with results and errors."""
        ...

    def tell(self, number: int, lines: Sequence[StoryLine]) -> None:
        """Write lines to the end of a story."""
        ...

    def told(self, number: int) -> list[StoryLine]:
        """Return the lines of a story that were written, oldest first."""
        ...

    def log(self, number: int, lines: Sequence[tuple[float, str]]) -> None:
        """Write log lines, and drop the oldest beyond `serai.store.tasks.MAX_LOG_LINES`."""
        ...

    def logged(self, number: int, after: int) -> list[LogLine]:
        """Return log lines greater than ``after``."""
        ...

    def add_bot(self, bot: str, queues: Sequence[str], now: float) -> bool:
        """Insert a bot; False where there is one of that name."""
        ...

    def look(self, bot: str) -> Look:
        """Look whether a bot is known, and at the timers, in one statement."""
        ...

    def has_bot(self, bot: str) -> bool:
        """Tell whether there is a bot of that name."""
        ...

    def beat(self, bot: str) -> bool:
        """Count a bot's beat; False where there is none of that name."""
        ...

    def drop_bot(self, bot: str, beat: int | None) -> bool:
        """Delete a bot, where it has that beat or none is given; return whether it was there."""
        ...

    def bots(self) -> list[BotRow]:
        """Return bots by name."""
        ...

    def is_paused(self, channel: str) -> bool:
        """Tell whether a channel is paused."""
        ...

    def put_pause(self, pause: Pause) -> None:
        """Write or replace a pause."""
        ...

    def drop_pause(self, channel: str) -> bool:
        """Delete a pause; return whether it was there."""
        ...

    def pauses(self) -> list[Pause]:
        """Return pauses by channel."""
        ...

    def marks(self) -> dict[str, float]:
        """Return how far schedules were dealt with."""
        ...

    def put_mark(self, schedule: str, at: float | None) -> None:
        """Write or, with None, delete a mark."""
        ...

    def forget(self, after: int, before: float, limit: int) -> int:
        """See `serai.store.tasks.TaskRows.forget`."""
        ...
