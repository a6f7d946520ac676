"""The embedded engine's driver: each operation as work for one of its two threads."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from serai.store.audit import Refused, Wanted, Written
from serai.store.contract import Change, Committed, NewTask
from serai.store.driver import Batch, Keep, Nudge, RevisionRow, Row
from serai.store.embedded import audit, nudges, records, tasks
from serai.store.embedded.prompt import Prompter
from serai.store.embedded.session import File, Session
from serai.store.embedded.thread import Moves, Transactor
from serai.store.jobs import Worker
from serai.store.tasks import TaskRows

T = TypeVar("T")

_MOVES = Moves()


class EmbeddedDriver:
    """A store in one SQLite file, which other processes may have open too.

    Nothing is opened before the first operation, so it may be made before a fork. Reading does not wait for writing.
    """

    def __init__(self, path: Path, *, create: bool = True) -> None:
        self.path = path
        file = File(path, create=create)
        self._ears = path.with_name(f"{path.name}-ears")  # where who waits for work listens
        self._writer: Worker[sqlite3.Cursor] = Worker("store-writer", lambda: self._writing(file))
        self._reader: Worker[sqlite3.Cursor] = Worker(
            "store-reader", lambda: Transactor(Session(file), writes=False), group=1
        )
        self._prompter = Prompter(Session(file, waits=False, late=True))

    @property
    def tasks(self) -> TaskRows[sqlite3.Cursor]:
        """Return what the engine does with tasks."""
        return tasks.ROWS

    async def write(self, work: Callable[[sqlite3.Cursor], T]) -> T:
        """Run work in a transaction that is durable when this returns; it waits with others for one commit.

        The work runs on the writer's thread: it must be short, and not commit or roll back itself. Where it raises,
        what it did is undone, and the caller gets the exception (`sqlite3.Error` as a coded one).
        """
        return await self._writer.run(work, _MOVES)

    def write_here(self, work: Callable[[sqlite3.Cursor], T]) -> T:
        """Run work on the caller's thread, durable soon; a temporary `UnavailableError` where it has to wait."""
        return self._prompter.run(work)

    async def read(self, work: Callable[[sqlite3.Cursor], T]) -> T:
        """Run work that only reads, on one consistent state."""
        return await self._reader.run(work)

    async def identity(self) -> str:
        """Return the random ID that the store got when it was created."""
        return await self.read(records.identity)

    async def get(self, kind: str, tenant: str, name: str) -> Row | None:
        """Return a live descriptor."""
        return await self.read(lambda cursor: records.get(cursor, (kind, tenant, name)))

    async def scan(self, kind: str, tenant: str | None, prefix: str, after: tuple[str, str], limit: int) -> list[Row]:
        """Return live descriptors of a kind, by (tenant, name), those greater than ``after``."""
        return await self.read(lambda cursor: records.scan(cursor, kind, tenant, prefix, after, limit))

    async def export(self, after: tuple[str, str, str], limit: int) -> list[Row]:
        """Return live descriptors of all kinds, by (kind, tenant, name), those greater than ``after``."""
        return await self.read(lambda cursor: records.export(cursor, after, limit))

    async def apply(self, batch: Batch) -> Committed:
        """Apply all of it or nothing, durably."""
        queues = {each.queue for each in batch.operations if isinstance(each, NewTask)}
        alone = all(isinstance(each, NewTask) for each in batch.operations)
        return await self._writer.run(lambda cursor: records.apply(cursor, batch), Moves(alone, tuple(queues)))

    async def changes(self, after: int, limit: int) -> list[Change]:
        """Return entries of the feed by number, those greater than ``after``."""
        return await self.read(lambda cursor: records.changes(cursor, after, limit))

    async def first_change(self) -> int:
        """Return the number from which on the feed is complete."""
        return await self.read(records.first)

    async def prune(self, keep: Keep, after: int, limit: int) -> tuple[int, int]:
        """Remove spent revisions among the next ``limit``."""
        return await self._writer.run(lambda cursor: records.prune(cursor, keep, after, limit))

    async def last_change(self) -> int:
        """Return the greatest change number, or 0."""
        return (await self.read(records.last))[0]

    async def history(self, kind: str, tenant: str, name: str, limit: int) -> list[RevisionRow]:
        """Return revisions of a key, newest first."""
        return await self.read(lambda cursor: records.history(cursor, (kind, tenant, name), limit))

    async def revision(self, kind: str, tenant: str, name: str, version: int) -> RevisionRow | None:
        """Return one revision of a key."""
        return await self.read(lambda cursor: records.revision(cursor, (kind, tenant, name), version))

    async def audit_changes(self, wanted: Wanted) -> list[Written]:
        """Return revisions that fit, newest first."""
        return await self.read(lambda cursor: audit.changes(cursor, wanted))

    async def refuse(self, refused: Sequence[Refused]) -> None:
        """Keep refused attempts, durably."""
        await self._writer.run(lambda cursor: audit.refuse(cursor, refused))

    async def refusals(self, wanted: Wanted) -> list[Refused]:
        """Return refused attempts that fit, newest first."""
        return await self.read(lambda cursor: audit.refusals(cursor, wanted))

    async def prune_refusals(self, before: float, limit: int) -> int:
        """Remove some of the oldest refused attempts."""
        return await self._writer.run(lambda cursor: audit.prune(cursor, before, limit))

    async def listen(self, heard: Callable[[Nudge], None]) -> None:
        """Return at once: who writes here tells it by the host's own bus."""

    async def listen_for_work(self, queues: Sequence[str], heard: Callable[[str], None]) -> None:
        """Tell when queues get work, until cancelled, by a socket beside the file."""
        await nudges.listen(self._ears, queues, lambda: heard(""))

    async def close(self) -> None:
        """Finish what was accepted and let go; safe to call twice."""
        await self._writer.close()
        await self._reader.close()
        self._prompter.close()

    def _writing(self, file: File) -> Transactor:
        late = Session(file, waits=False, late=True)
        return Transactor(Session(file, waits=False), writes=True, late=late, nudger=nudges.Nudger(self._ears))
