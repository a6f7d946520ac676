"""Tasks in the store: the transition table, the limits, and what an engine does with their rows.

What moves mean is written once, in `serai.store.taskrows`, over the few statements that each engine brings. It never
retries, logs, or decides when a bot is dead. What a function is and how it runs is `serai.tasks`, above.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol, TypeVar

from serai.store.contract import Allowance, NewTask
from serai.store.tasks_holds import Limit, Pause, Provider, Rule, Scope
from serai.store.tasks_steering import Steering
from serai.store.tasks_values import (
    BotRow,
    Ended,
    Exchange,
    Filter,
    Finish,
    LogLine,
    Miscount,
    Note,
    Options,
    State,
    StoryLine,
    Task,
    Wait,
    Want,
)

__all__ = [
    "FINAL",
    "LIVE",
    "MAX_AFTER",
    "MAX_AT_ONCE",
    "MAX_DUE",
    "MAX_LINE",
    "MAX_LOG_LINES",
    "MAX_LOST",
    "MAX_PAGE",
    "MAX_PAYLOAD",
    "MAX_RESULTS",
    "MAX_SKIP",
    "MAX_WHY",
    "TRANSITIONS",
    "BotRow",
    "Ended",
    "Exchange",
    "Filter",
    "Finish",
    "Limit",
    "LogLine",
    "Miscount",
    "Mover",
    "Note",
    "Options",
    "Pause",
    "Provider",
    "Rule",
    "Scope",
    "State",
    "StoryLine",
    "Task",
    "TaskRows",
    "Wait",
    "Want",
]

Mover = Literal["anyone", "bot", "person", "clock"]

#: Who may move a task from one state to another; "" is before its insertion. All else is impossible.
TRANSITIONS: Mapping[tuple[str, str], frozenset[Mover]] = {
    ("", "to_do"): frozenset({"anyone"}),
    ("to_do", "is_processing"): frozenset({"bot"}),
    ("to_do", "canceled"): frozenset({"person"}),
    ("to_do", "error"): frozenset({"anyone"}),  # it is too late, or what it waited for did not end well
    ("is_processing", "done"): frozenset({"bot"}),
    ("is_processing", "error"): frozenset({"bot", "clock"}),
    ("is_processing", "to_do"): frozenset({"bot", "clock"}),
    ("is_processing", "to_cancel"): frozenset({"person"}),
    ("to_cancel", "canceled"): frozenset({"bot", "clock"}),
    ("to_cancel", "done"): frozenset({"bot"}),  # it was faster than the wish
    ("to_cancel", "error"): frozenset({"bot"}),  # cleaning up failed
    ("error", "to_do"): frozenset({"person"}),
    ("canceled", "to_do"): frozenset({"person"}),
}
LIVE: frozenset[State] = frozenset({"to_do", "is_processing", "to_cancel"})
FINAL: frozenset[State] = frozenset({"done", "error", "canceled"})

MAX_PAYLOAD = 1 << 20  # octets of encoded arguments, or of a result
MAX_RESULTS = 16 << 20  # octets of all results that a task may look back at
MAX_LOG_LINES = 1000  # kept of a task; the oldest go
MAX_LINE = 4096  # characters
MAX_WHY = 8192  # characters; a traceback's tail fits
MAX_LOST = 3  # bots that a task may outlive
MAX_PAGE = 1000
MAX_DUE = 1000  # tasks whose time has come, made ready by one exchange
MAX_SKIP = 64  # ready tasks that a claim looks past because the bot has no place for their sort
MAX_AFTER = 10_000  # tasks that one waits for, and children that a cancel reaches
MAX_AT_ONCE = 10_000  # the widest limit of a channel

Tx_contra = TypeVar("Tx_contra", contravariant=True)


class TaskRows(Steering[Tx_contra], Protocol[Tx_contra]):
    """What an engine does with tasks, each within the open transaction that it is given.

    ``now`` is in seconds since the epoch. `NotFoundError` for an unknown id, `ConflictError` where a task's state
    does not allow the move or a bot is no longer enlisted.
    """

    def insert(
        self, tx: Tx_contra, task: NewTask, *, who: str, now: float, allowances: Sequence[Allowance] = ()
    ) -> str:
        """Insert a task, or find the one with the same tenant and key; return its id.

        `ExhaustedError`, with nothing changed, where more would wait than ``allowances`` let.
        """
        ...

    def insert_all(
        self, tx: Tx_contra, tasks: Sequence[NewTask], *, who: str, now: float, allowances: Sequence[Allowance] = ()
    ) -> list[str]:
        """Insert tasks in this order, like `insert`; return their ids. Where it raises, the caller rolls back."""
        ...

    def refuse(self, tx: Tx_contra, task: NewTask, *, who: str, why: str, now: float) -> str:
        """Insert a task that ends in error before it begins, to be looked at and run again; return its id.

        Where another one holds its key nothing is inserted, and that one's id is returned.
        """
        ...

    def get(self, tx: Tx_contra, task: str) -> Task:
        """Return one task, arguments and result included."""
        ...

    def find(self, tx: Tx_contra, wanted: Filter) -> list[Task]:
        """List tasks, newest first."""
        ...

    def waiting(self, tx: Tx_contra, tenant: str, app: str, most: int) -> int:
        """Return how many tasks in to_do an app has, or with "" all apps of a tenant; ``most`` at most."""
        ...

    def miscounted(self, tx: Tx_contra) -> list[Miscount]:
        """Look at all tasks in to_do; return of which apps what was counted is not what there is.

        Code that did not count yet may have worked beside. What is found may be set right in a later transaction.
        """
        ...

    def recount(self, tx: Tx_contra, found: Sequence[Miscount]) -> None:
        """Set right what was miscounted, where nobody did meanwhile."""
        ...

    def story(self, tx: Tx_contra, task: str) -> list[StoryLine]:
        """Return all transitions, oldest first."""
        ...

    def log(self, tx: Tx_contra, task: str, after: int) -> list[LogLine]:
        """Return the lines that are kept, those greater than ``after``."""
        ...

    def results(self, tx: Tx_contra, task: str) -> list[Ended]:
        """Return the tasks that this one comes after, in the order in which it named them."""
        ...

    def enlist(self, tx: Tx_contra, bot: str, queues: Sequence[str], *, now: float) -> None:
        """Make a bot known, so that it may claim."""
        ...

    def beat(self, tx: Tx_contra, bot: str) -> list[int]:
        """Tell that a bot lives; return the numbers of its tasks that are to be cancelled."""
        ...

    def exchange(self, tx: Tx_contra, bot: str, finishes: Sequence[Finish], want: Want, *, now: float) -> Exchange:
        """Acknowledge what is over and claim what comes next, in one transaction."""
        ...

    def note(self, tx: Tx_contra, bot: str, notes: Sequence[Note]) -> None:
        """Keep progress and log lines of runs that the bot holds; those of others are dropped."""
        ...

    def bots(self, tx: Tx_contra) -> list[BotRow]:
        """Return the bots that are enlisted, by name."""
        ...

    def bury(self, tx: Tx_contra, bot: str, beat: int | None, why: str, *, who: str, now: float) -> list[str]:
        """Strike a bot off and hand its tasks back; return their ids.

        With ``beat`` given, only where it still has that beat, and each task counts a lost run: the `MAX_LOST`-th
        is an error. What was to be cancelled is canceled.
        """
        ...

    def cancel(self, tx: Tx_contra, task: str, *, who: str, why: str, now: float) -> State:
        """Cancel what waits, its waiting children included; ask for it where it runs.

        Return the new state; a second wish changes nothing.
        """
        ...

    def unpark(self, tx: Tx_contra, tenant: str, app: str, *, now: float) -> int:
        """Let tasks of an app go that wait for who knows their function; return how many, `MAX_DUE` at most.

        What runs at that moment does not wait for it either when it is parked: it is run again.
        """
        ...

    def retry(self, tx: Tx_contra, task: str, *, who: str, why: str, now: float) -> None:
        """Put a task that ended in error or canceled back to to_do, with all its retries.

        `ConflictError` also where its key was given to another one, or what it comes after did not end well.
        """
        ...

    def forget(self, tx: Tx_contra, after: int, before: float, limit: int) -> int:
        """Look at ``limit`` tasks past a number and delete those finished before a time, with all their traces.

        Return the last number looked at, 0 at the end of the table.
        """
        ...
