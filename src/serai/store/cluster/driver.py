"""The cluster engine's driver: each operation as work for one of its threads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from serai.store.audit import Refused, Wanted, Written
from serai.store.cluster import audit, records, tasks
from serai.store.cluster.address import Address, parse
from serai.store.cluster.database import Database
from serai.store.cluster.nudges import Work, listen
from serai.store.cluster.transact import Reading, Writing
from serai.store.cluster.tx import Tx
from serai.store.contract import Change, Committed
from serai.store.driver import Batch, Keep, Nudge, RevisionRow, Row
from serai.store.jobs import Worker
from serai.store.tasks import TaskRows

T = TypeVar("T")

#: Connections of one process for reading; each is made when it is first needed.
READERS = 3


class ClusterDriver:
    """A store in one PostgreSQL database, which any number of processes on any number of hosts may have open.

    Nothing is opened before the first operation, so it may be made before a fork. There are two writers, since who
    writes changes waits for its turn among all hosts, and who moves tasks does not.
    """

    def __init__(self, address: str | Address, *, create: bool = True) -> None:
        self.address = parse(address) if isinstance(address, str) else address
        database = Database(self.address, create=create)
        self._changes: Worker[Tx] = Worker("store-changes", lambda: Writing(database, "changes"))
        self._writer: Worker[Tx] = Worker("store-writer", lambda: Writing(database, "writer", tasks=True))
        self._reader: Worker[Tx] = Worker("store-reader", lambda: Reading(database, "reader"), group=1, threads=READERS)

    @property
    def tasks(self) -> TaskRows[Tx]:
        """Return what the engine does with tasks."""
        return tasks.ROWS

    async def write(self, work: Callable[[Tx], T]) -> T:
        """Run work in a transaction that is durable when this returns; it waits with others for one commit.

        The work runs on the writer's thread: it must be short, not commit or roll back itself, and change nothing but
        the database, since it may be run twice. Where it raises, what it did is undone, and the caller gets the
        exception (a native one as a coded one).
        """
        return await self._writer.run(work)

    async def read(self, work: Callable[[Tx], T]) -> T:
        """Run work that only reads, on one consistent state."""
        return await self._reader.run(lambda tx: tx.consistently(work))

    async def identity(self) -> str:
        """Return the random ID that the store got when it was created."""
        return await self._reader.run(records.identity)

    async def get(self, kind: str, tenant: str, name: str) -> Row | None:
        """Return a live descriptor."""
        return await self._reader.run(lambda tx: records.get(tx, (kind, tenant, name)))

    async def scan(self, kind: str, tenant: str | None, prefix: str, after: tuple[str, str], limit: int) -> list[Row]:
        """Return live descriptors of a kind, by (tenant, name), those greater than ``after``."""
        return await self._reader.run(lambda tx: records.scan(tx, kind, tenant, prefix, after, limit))

    async def export(self, after: tuple[str, str, str], limit: int) -> list[Row]:
        """Return live descriptors of all kinds, by (kind, tenant, name), those greater than ``after``."""
        return await self._reader.run(lambda tx: records.export(tx, after, limit))

    async def apply(self, batch: Batch) -> Committed:
        """Apply all of it or nothing, durably."""
        worker = self._changes if records.changes_something(batch) else self._writer
        return await worker.run(lambda tx: records.apply(tx, batch))

    async def changes(self, after: int, limit: int) -> list[Change]:
        """Return entries of the feed by number, those greater than ``after``."""
        return await self._reader.run(lambda tx: records.changes(tx, after, limit))

    async def first_change(self) -> int:
        """Return the number from which on the feed is complete."""
        return await self._reader.run(records.first)

    async def prune(self, keep: Keep, after: int, limit: int) -> tuple[int, int]:
        """Remove spent revisions among the next ``limit``."""
        return await self._changes.run(lambda tx: records.prune(tx, keep, after, limit))

    async def last_change(self) -> int:
        """Return the greatest change number, or 0."""
        return await self._reader.run(records.last)

    async def history(self, kind: str, tenant: str, name: str, limit: int) -> list[RevisionRow]:
        """Return revisions of a key, newest first."""
        return await self._reader.run(lambda tx: records.history(tx, (kind, tenant, name), limit))

    async def revision(self, kind: str, tenant: str, name: str, version: int) -> RevisionRow | None:
        """Return one revision of a key."""
        return await self._reader.run(lambda tx: records.revision(tx, (kind, tenant, name), version))

    async def audit_changes(self, wanted: Wanted) -> list[Written]:
        """Return revisions that fit, newest first."""
        return await self._reader.run(lambda tx: audit.changes(tx, wanted))

    async def refuse(self, refused: Sequence[Refused]) -> None:
        """Keep refused attempts, durably."""
        await self._writer.run(lambda tx: audit.refuse(tx, refused))

    async def refusals(self, wanted: Wanted) -> list[Refused]:
        """Return refused attempts that fit, newest first."""
        return await self._reader.run(lambda tx: audit.refusals(tx, wanted))

    async def prune_refusals(self, before: float, limit: int) -> int:
        """Remove some of the oldest refused attempts."""
        return await self._writer.run(lambda tx: audit.prune(tx, before, limit))

    async def listen(self, heard: Callable[[Nudge], None]) -> None:
        """Tell what is committed, by whichever host, until cancelled."""
        await listen(self.address, heard)

    async def listen_for_work(self, queues: Sequence[str], heard: Callable[[str], None]) -> None:
        """Tell when queues get work, by whichever host, until cancelled."""
        await listen(self.address, Work(queues, heard).hear)

    async def close(self) -> None:
        """Finish what was accepted and let go; safe to call twice."""
        for worker in (self._changes, self._writer, self._reader):
            await worker.close()
