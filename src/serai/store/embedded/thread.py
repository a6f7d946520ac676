"""What the two threads of the engine do: one writes, with group commit; one reads.

Each of several jobs of a group is in a savepoint of its own, so that one's conflict is not the others'.

What moves tasks only is synced late, as in `serai.store.embedded.prompt`, and bots are told before that: so a task's
insertion and its claim wait for the disk at the same time.
"""

from __future__ import annotations

import sqlite3
import time
from typing import Any

import msgspec

from serai.store.embedded.errors import is_broken, translate
from serai.store.embedded.nudges import Nudger
from serai.store.embedded.session import BUSY, Session
from serai.store.jobs import Job, Kept

#: Seconds between two looks for a lock that another process holds, at first and at most. SQLite's own waiting would
#: soon sleep 25 and then 100 ms at a time, while the lock goes to and fro between those that just ask for it.
_LOOK, _LONGEST = 0.002, 0.005


class Moves(msgspec.Struct, frozen=True):
    """What the writer is told of a job that writes tasks: whether them alone, and which queues get work."""

    alone: bool = True
    queues: tuple[str, ...] = ()


class Transactor:
    """Run groups of jobs over one connection, each group in one transaction.

    With a ``late`` session, which syncs late, that is for groups of `Moves` alone. The ``nudger`` tells of queues.
    """

    def __init__(
        self, session: Session, *, writes: bool, late: Session | None = None, nudger: Nudger | None = None
    ) -> None:
        self._durable = session
        self._late = late or session
        self._session = session  # the one of the group at work
        self._nudger = nudger
        self._writes = writes

    def transact(self, group: list[Job[sqlite3.Cursor, Any]]) -> None:
        """Run jobs in one transaction; what goes wrong with the transaction goes wrong with each of them."""
        whole = Kept()
        moves = [job.about for job in group if isinstance(job.about, Moves)]
        self._session = self._late if len(moves) == len(group) and all(each.alone for each in moves) else self._durable
        with whole:
            connection = self._session.connection()
            before, cursor = connection.total_changes, connection.cursor()
            self._begin(cursor)
            if len(group) > 1:
                for job in group:
                    self._one(cursor, job)
            else:
                self._alone(cursor, group[0])
            if connection.in_transaction:
                cursor.execute("COMMIT")
            if connection.total_changes != before:
                self._nudge(group)
                self._session.sync()
            # After the commit, too: what went to a file that is gone must not be acknowledged.
            self._session.check()
        if whole.error is not None:
            error = self._session.abandon(whole.error)
            for job in group:
                if job.error is None or isinstance(job.error, sqlite3.Error):
                    job.error = error

    def close(self) -> None:
        """Close the connections."""
        self._durable.close()
        self._late.close()
        if self._nudger is not None:
            self._nudger.close()

    def _nudge(self, group: list[Job[sqlite3.Cursor, Any]]) -> None:
        if self._nudger is None:
            return
        done = [job.about for job in group if job.error is None and isinstance(job.about, Moves)]
        if queues := {queue for each in done for queue in each.queues}:
            self._nudger.tell(queues)

    def _begin(self, cursor: sqlite3.Cursor) -> None:
        if not self._writes:
            cursor.execute("BEGIN")
            return
        give_up, pause = time.monotonic() + BUSY, _LOOK
        while True:
            try:
                cursor.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > give_up:
                    raise
            else:
                return
            time.sleep(pause)
            pause = min(pause * 1.2, _LONGEST)

    def _alone(self, cursor: sqlite3.Cursor, job: Job[sqlite3.Cursor, Any]) -> None:
        """Run the only job of a transaction, which needs no savepoint."""
        self._run(cursor, job)
        if job.error is not None:
            cursor.execute("ROLLBACK")

    def _one(self, cursor: sqlite3.Cursor, job: Job[sqlite3.Cursor, Any]) -> None:
        cursor.execute("SAVEPOINT job")
        self._run(cursor, job)
        if job.error is not None:
            cursor.execute("ROLLBACK TO job")
        cursor.execute("RELEASE job")

    def _run(self, cursor: sqlite3.Cursor, job: Job[sqlite3.Cursor, Any]) -> None:
        job.run(cursor)
        native = job.error
        if isinstance(native, sqlite3.Error):
            # SQLite rolls all back by itself where the disk is full or broken.
            if is_broken(native) or not cursor.connection.in_transaction:
                raise native
            job.error = translate(native, self._session.file.path)
