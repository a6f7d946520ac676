"""Tasks in the store: the values, the transition table, and what an engine must do with their rows.

An engine's part is a module of plain functions over an open transaction (`TaskRows`); it never retries, logs, or
decides when a bot is dead. What a function is and how it runs is `serai.tasks`, above.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol, TypeVar

import msgspec

from serai.store.contract import NewTask

State = Literal["to_do", "is_processing", "done", "error", "to_cancel", "canceled"]
#: Why a task in to_do is not running: nothing but a free bot; its time; its channel; a pause; its function's name.
Wait = Literal["", "ready", "time", "channel", "paused", "function"]
Mover = Literal["anyone", "bot", "person", "clock"]

#: Who may move a task from one state to another; "" is before its insertion. All else is impossible.
TRANSITIONS: Mapping[tuple[str, str], frozenset[Mover]] = {
    ("", "to_do"): frozenset({"anyone"}),
    ("to_do", "is_processing"): frozenset({"bot"}),
    ("to_do", "canceled"): frozenset({"person"}),
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
MAX_LOG_LINES = 1000  # kept of a task; the oldest go
MAX_LINE = 4096  # characters
MAX_WHY = 8192  # characters; a traceback's tail fits
MAX_LOST = 3  # bots that a task may outlive
MAX_PAGE = 1000
MAX_DUE = 1000  # tasks whose time has come, made ready by one exchange
MAX_SKIP = 64  # ready tasks that a claim looks past because the bot has no place for their sort


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """A task as it was read. Times are seconds since the epoch, 0 for «not yet».

    ``number`` grows with insertion. ``payload`` is the arguments' MessagePack; lists leave it, and ``outcome`` (the
    result's), empty. ``error`` is ``{"code", "public", "trace"}`` of the last run that failed.
    """

    number: int
    id: str
    function: str
    tenant: str
    app: str
    queue: str
    channel: str
    priority: int
    not_before: float
    deadline: float
    retries: int
    provider: str
    key: str
    parent: str
    who: str
    created: float
    state: State
    wait: Wait
    run: int
    failures: int
    lost: int
    bot: str
    progress: float
    sentence: str
    started: float
    finished: float
    error: dict[str, Any] | None = None
    payload: bytes = b""
    outcome: bytes = b""

    @property
    def arguments(self) -> dict[str, Any]:
        """Decode the arguments."""
        return msgspec.msgpack.decode(self.payload, type=dict[str, Any]) if self.payload else {}

    @property
    def result(self) -> Any:
        """Decode the result; None where there is none."""
        return msgspec.msgpack.decode(self.outcome) if self.outcome else None


class StoryLine(msgspec.Struct, frozen=True):
    """One transition."""

    at: float
    who: str
    old: str
    new: str
    why: str


class LogLine(msgspec.Struct, frozen=True):
    """One line that a task logged; ``line`` counts from 1."""

    line: int
    at: float
    text: str


class Finish(msgspec.Struct, frozen=True, kw_only=True):
    """How one run ended, as its bot says. ``run`` proves that it speaks of the claim it holds.

    ``state`` "to_do" hands it back: for ``not_before``, with ``burn`` as a failure, with ``park`` until a bot comes
    that knows its function.
    """

    number: int
    run: int
    state: Literal["done", "error", "canceled", "to_do"]
    why: str = ""
    outcome: bytes = b""
    error: bytes = b""  # MessagePack
    not_before: float = 0.0
    burn: bool = False
    park: bool = False


class Want(msgspec.Struct, frozen=True, kw_only=True):
    """What a bot has room for: ``slots`` tasks of any length, and ``batch`` of the functions known as short.

    Queues stand in order of preference. ``known`` wakes parked tasks of these functions first.
    """

    queues: tuple[str, ...]
    slots: int = 0
    batch: int = 0
    short: frozenset[str] = frozenset()
    known: frozenset[str] = frozenset()


class Exchange(msgspec.Struct, frozen=True):
    """What a bot got: tasks, the numbers of finishes that were no longer its own, and when the next is due."""

    claimed: list[Task]
    refused: list[int]
    due: float | None


class BotRow(msgspec.Struct, frozen=True):
    """A bot that lives, as far as the store knows."""

    name: str
    beat: int
    queues: tuple[str, ...]
    since: float


class Pause(msgspec.Struct, frozen=True):
    """A channel that is paused."""

    channel: str
    who: str
    at: float
    why: str


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """Which tasks to list, newest first; None is any. ``before`` is the number of the last one of the page before."""

    state: State | None = None
    tenant: str | None = None
    app: str | None = None
    function: str | None = None
    queue: str | None = None
    channel: str | None = None
    parent: str | None = None
    before: int | None = None
    limit: int = 100


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """Progress (None: unchanged) and new log lines, as (time, text), of one run."""

    number: int
    run: int
    progress: float | None = None
    sentence: str = ""
    lines: tuple[tuple[float, str], ...] = ()


Tx_contra = TypeVar("Tx_contra", contravariant=True)


class TaskRows(Protocol[Tx_contra]):
    """What an engine does with tasks, each within the open transaction that it is given.

    ``now`` is in seconds since the epoch. `NotFoundError` for an unknown id, `ConflictError` where a task's state
    does not allow the move or a bot is no longer enlisted.
    """

    def insert(self, tx: Tx_contra, task: NewTask, *, who: str, now: float) -> str:
        """Insert a task, or find the one with the same tenant and key; return its id."""
        ...

    def get(self, tx: Tx_contra, task: str) -> Task:
        """Return one task, arguments and result included."""
        ...

    def find(self, tx: Tx_contra, wanted: Filter) -> list[Task]:
        """List tasks, newest first."""
        ...

    def story(self, tx: Tx_contra, task: str) -> list[StoryLine]:
        """Return all transitions, oldest first."""
        ...

    def log(self, tx: Tx_contra, task: str, after: int) -> list[LogLine]:
        """Return the lines that are kept, those greater than ``after``."""
        ...

    def enlist(self, tx: Tx_contra, bot: str, queues: Sequence[str], *, now: float) -> None:
        """Make a bot known, so that it may claim."""
        ...

    def beat(self, tx: Tx_contra, bot: str) -> list[int]:
        """Tell that a bot lives; return the numbers of its tasks that are to be cancelled."""
        ...

    def exchange(self, tx: Tx_contra, bot: str, finishes: Sequence[Finish], want: Want, *, now: float) -> Exchange:
        """Acknowledge what is over and claim what comes next, in one transaction; counts as a beat."""
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
        """Cancel what waits; ask for it where it runs. Return the new state; a second wish changes nothing."""
        ...

    def retry(self, tx: Tx_contra, task: str, *, who: str, why: str, now: float) -> None:
        """Put a task that ended in error or canceled back to to_do, with all its retries."""
        ...

    def pause(self, tx: Tx_contra, channel: str, *, who: str, why: str, now: float) -> None:
        """Start nothing more of a channel; what runs goes on."""
        ...

    def resume(self, tx: Tx_contra, channel: str, *, now: float) -> bool:
        """End a pause; return whether there was one."""
        ...

    def pauses(self, tx: Tx_contra) -> list[Pause]:
        """Return the paused channels, by name."""
        ...

    def marks(self, tx: Tx_contra) -> dict[str, float]:
        """Return how far each schedule was dealt with."""
        ...

    def mark(self, tx: Tx_contra, schedule: str, at: float | None) -> None:
        """Keep how far a schedule was dealt with; None forgets it."""
        ...

    def forget(self, tx: Tx_contra, after: int, before: float, limit: int) -> int:
        """Look at ``limit`` tasks past a number and delete those finished before a time, with all their traces.

        Return the last number looked at, 0 at the end of the table.
        """
        ...
