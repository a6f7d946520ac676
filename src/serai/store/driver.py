"""What an engine of the store has to do: a few operations over plain values, never statements of a query language.

An engine maps its native errors to codes: a full disk or quota is `ExhaustedError`; a locked, unreachable, unreadable
or deleted store is `UnavailableError`. ``temporary`` means that nothing was applied, so that the caller may repeat
it. An engine never repeats, never logs, and knows no kinds: all that lives once, in `serai.store.store`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

import msgspec

from serai.store.contract import Allowance, Change, Committed, Holding, NewTask
from serai.store.tasks import TaskRows

if TYPE_CHECKING:
    from typing import TypeAlias

    from serai.store.audit import Refused, Wanted, Written

T = TypeVar("T")

#: The fields that a writer knows, and below a field the fields of its struct; None where there is nothing below.
Known: TypeAlias = "Mapping[str, Known | None]"


class Row(msgspec.Struct, frozen=True):
    """A descriptor as it is stored; ``spec`` is MessagePack."""

    kind: str
    tenant: str
    name: str
    version: int
    change: int
    schema: int
    spec: bytes


class RevisionRow(msgspec.Struct, frozen=True):
    """One line of a descriptor's history as it is stored; ``spec`` is None for a delete."""

    change: int
    version: int
    who: str
    when: float
    why: str
    schema: int
    spec: bytes | None


class PutRow(msgspec.Struct, frozen=True):
    """Write a descriptor; ``known`` None replaces what is there, fields that the writer does not know included."""

    kind: str
    tenant: str
    name: str
    schema: int
    spec: bytes
    known: Known | None
    expect: int | None


class DeleteRow(msgspec.Struct, frozen=True):
    """Remove a descriptor."""

    kind: str
    tenant: str
    name: str
    expect: int | None


class Batch(msgspec.Struct, frozen=True):
    """A validated transaction; ``when`` is in seconds since the epoch and may jump back.

    ``living`` are (kind, tenant, name) of descriptors that must not be deleted ones once it is applied: the tenants of
    what it writes. One that never was is not missed: a store need not hold any.
    """

    who: str
    why: str
    when: float
    operations: tuple[PutRow | DeleteRow | NewTask | Holding, ...]
    living: tuple[tuple[str, str, str], ...] = ()
    allowances: tuple[Allowance, ...] = ()


class Keep(msgspec.Struct, frozen=True):
    """What of the past must stay; the rest may go. Live descriptors stay anyhow, whatever their age.

    ``feed`` is the first number of the feed that must stay, at most the newest one; ``versions`` the number of newest
    revisions that each descriptor keeps; what was written since ``since`` (seconds since the epoch) stays as well, or
    since what ``kinds`` says for a kind. See `serai.store.rules.is_spent`.
    """

    feed: int
    versions: int
    since: float
    kinds: Mapping[str, float] = {}


class Nudge(msgspec.Struct, frozen=True):
    """What somebody committed: the newest change, tasks of a queue; or, with neither, perhaps anything.

    ``bot`` is the name of the one that is to look first; the same is told of without it, too.
    """

    change: int = 0
    queue: str = ""
    bot: str = ""


class Driver(Protocol):
    """One engine. All names and sizes were validated above; all lists are in the order that the method names."""

    @property
    def tasks(self) -> TaskRows[Any]:
        """Return what the engine does with tasks, within the transactions that `write` and `read` open."""
        ...

    async def write(self, work: Callable[[Any], T]) -> T:
        """Run short work in one durable transaction; where it raises, none of it was done.

        What it is given is the engine's own, and goes to ``tasks`` only.
        """
        ...

    async def read(self, work: Callable[[Any], T]) -> T:
        """Run short work that only reads, on one consistent state."""
        ...

    async def identity(self) -> str:
        """Return the random ID that the store got when it was created."""
        ...

    async def get(self, kind: str, tenant: str, name: str) -> Row | None:
        """Return a live descriptor."""
        ...

    async def scan(self, kind: str, tenant: str | None, prefix: str, after: tuple[str, str], limit: int) -> list[Row]:
        """Return live descriptors of a kind, by (tenant, name), those greater than ``after``."""
        ...

    async def export(self, after: tuple[str, str, str], limit: int) -> list[Row]:
        """Return live descriptors of all kinds, by (kind, tenant, name), those greater than ``after``."""
        ...

    async def apply(self, batch: Batch) -> Committed:
        """Apply all of it or nothing, durably; see `serai.store.rules` for what each operation means.

        Change numbers follow each other without gaps over all writers, and no reader of the feed ever sees a number
        before a smaller one.
        """
        ...

    async def changes(self, after: int, limit: int) -> list[Change]:
        """Return entries of the feed by number, those greater than ``after``.

        `NotFoundError` where an entry after that was pruned: what is returned never has a gap.
        """
        ...

    async def first_change(self) -> int:
        """Return the number from which on the feed is complete: 1 where nothing was pruned yet."""
        ...

    async def prune(self, keep: Keep, after: int, limit: int) -> tuple[int, int]:
        """Look at up to ``limit`` revisions by change number, those greater than ``after``; remove the spent ones.

        Return the number of the last one that was looked at, 0 where there is none left below ``keep.feed``, and how
        many were removed. It is one short transaction, so that writers hardly wait.
        """
        ...

    async def last_change(self) -> int:
        """Return the greatest change number, or 0."""
        ...

    async def history(self, kind: str, tenant: str, name: str, limit: int) -> list[RevisionRow]:
        """Return revisions of a key, newest first."""
        ...

    async def revision(self, kind: str, tenant: str, name: str, version: int) -> RevisionRow | None:
        """Return one revision of a key."""
        ...

    async def audit_changes(self, wanted: Wanted) -> list[Written]:
        """Return revisions that fit, newest first."""
        ...

    async def refuse(self, refused: Sequence[Refused]) -> None:
        """Keep refused attempts, durably, numbered in order."""
        ...

    async def refusals(self, wanted: Wanted) -> list[Refused]:
        """Return refused attempts that fit, newest first."""
        ...

    async def prune_refusals(self, before: float, limit: int) -> int:
        """Remove up to ``limit`` of the oldest refused attempts, those from before a time; return how many."""
        ...

    async def listen(self, heard: Callable[[Nudge], None]) -> None:
        """Tell what is committed, by whichever host, until cancelled; with gaps, which a nudge for anything ends.

        It returns at once where all who write are on this host: they tell each other by its bus.
        """
        ...

    async def listen_for_work(self, queues: Sequence[str], heard: Callable[[str], None]) -> None:
        """Tell when tasks for queues can be claimed, until cancelled; return where nothing will be told.

        It is sooner than the bus: before who inserted them is told that they are durable. With it goes the name of the
        bot that is to look first, "" for each that is told; and it may be one of several, so whoever listens here
        listens to the bus as well.
        """
        ...

    async def close(self) -> None:
        """Finish what was accepted and let go; safe to call twice."""
        ...


@runtime_checkable
class Prompt(Protocol):
    """An engine in this very process: for work that is as short as going to another thread would be."""

    def write_here(self, work: Callable[[Any], T]) -> T:
        """Run short work in one transaction on this thread, like `Driver.write` in all but that nobody waits.

        A temporary `UnavailableError` where a lock would have to be waited for: `Driver.write` waits elsewhere. It
        returns as soon as all processes see what was written. That is durable some milliseconds later: until then
        only the end of the whole machine can undo it. The next durable transaction of this or another process makes it
        durable, too. Where it turns out that this can't be done, the next transaction fails.
        """
        ...
