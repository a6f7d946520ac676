"""What is told about tasks: as they were read, as a bot says, as people steer. Plain values, times in seconds."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from serai.store.contract import Backoff

State = Literal["to_do", "is_processing", "done", "error", "to_cancel", "canceled"]
#: Why a task in to_do is not running: nothing but a free bot; its time; its place in its channel; a pause; nobody
#: knows its function; other tasks; its provider is down; a limit or a rate is reached.
Wait = Literal["", "ready", "time", "channel", "paused", "function", "tasks", "provider", "limit"]


class Options(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What few tasks say, kept together and decoded when it is asked for."""

    unique: Literal["ever", "live", "waiting"] = "ever"
    on_error: Literal["fail", "run"] = "fail"
    backoff: Backoff | None = None


_options = msgspec.msgpack.Decoder(Options)


class Task(msgspec.Struct, frozen=True):
    """A task as it was read. Times are seconds since the epoch, 0 for «not yet».

    ``number`` grows with insertion. ``bot`` is the one that runs it now. ``awaits`` counts the tasks that
    have to end before it, ``ties`` is what the engine has to see to when it moves. ``payload`` is the arguments'
    MessagePack; lists leave it, and ``outcome`` (the result's), empty. ``failure`` is that of ``error``.
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
    expires: float = 0.0
    awaits: int = 0
    ties: int = 0
    options: bytes = b""
    failure: bytes = b""
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

    @property
    def error(self) -> dict[str, Any] | None:
        """Decode the last run's error, ``{"code", "public", "trace"}``; None where none failed."""
        return msgspec.msgpack.decode(self.failure, type=dict[str, Any]) if self.failure else None

    @property
    def chosen(self) -> Options:
        """Decode the options."""
        return _options.decode(self.options) if self.options else Options()

    @property
    def backoff(self) -> Backoff | None:
        """Return how its failed runs are repeated, where it says so itself."""
        return self.chosen.backoff


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


class Ended(msgspec.Struct, frozen=True):
    """One of the tasks that a task waits or waited for; ``outcome`` is left empty where all together are too large."""

    id: str
    function: str
    state: State
    outcome: bytes = b""
    failure: bytes = b""

    @property
    def result(self) -> Any:
        """Decode the result; None where there is none."""
        return msgspec.msgpack.decode(self.outcome) if self.outcome else None

    @property
    def error(self) -> dict[str, Any] | None:
        """Decode the error; None where there is none."""
        return msgspec.msgpack.decode(self.failure, type=dict[str, Any]) if self.failure else None


class Finish(msgspec.Struct, frozen=True, kw_only=True):
    """How one run ended, as its bot says. ``run`` proves that it speaks of the claim it holds.

    ``state`` "to_do" hands it back: for ``not_before``, with ``burn`` as a failure, with ``park`` until a bot comes
    that knows its function, with ``provider`` as the one that is down: its tasks wait until it is up again.
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
    provider: str = ""


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
    """What a bot got: tasks, the numbers of finishes that were not its own, and when to look again at the latest."""

    claimed: list[Task]
    refused: list[int]
    due: float | None


class BotRow(msgspec.Struct, frozen=True):
    """A bot that lives, as far as the store knows."""

    name: str
    beat: int
    queues: tuple[str, ...]
    since: float


class Miscount(msgspec.Struct, frozen=True):
    """An app of which ``by`` more tasks wait than were counted; ``turn`` is how often that was set right before."""

    tenant: str
    app: str
    by: int
    turn: int


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """Progress (None: unchanged) and new log lines, as (time, text), of one run."""

    number: int
    run: int
    progress: float | None = None
    sentence: str = ""
    lines: tuple[tuple[float, str], ...] = ()


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """Which tasks to list, newest first; None is any. ``before`` is the number of the last one of the page before."""

    state: State | None = None
    tenant: str | None = None
    app: str | None = None
    function: str | None = None
    queue: str | None = None
    channel: str | None = None
    parent: str | None = None
    provider: str | None = None
    before: int | None = None
    limit: int = 100
