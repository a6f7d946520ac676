"""What the two threads of the engine do: one writes, with group commit; one reads.

Each job of a group is in a savepoint of its own, so that one's conflict is not the others'.
"""

from __future__ import annotations

import sqlite3
from typing import Any

from serai.store.embedded.errors import is_broken, translate
from serai.store.embedded.session import Session
from serai.store.jobs import Job, Kept


class Transactor:
    """Run groups of jobs over one connection, each group in one transaction."""

    def __init__(self, session: Session, *, writes: bool) -> None:
        self._session = session
        self._begin = "BEGIN IMMEDIATE" if writes else "BEGIN"

    def transact(self, group: list[Job[sqlite3.Cursor, Any]]) -> None:
        """Run jobs in one transaction; what goes wrong with the transaction goes wrong with each of them."""
        whole = Kept()
        with whole:
            cursor = self._session.connection().cursor()
            cursor.execute(self._begin)
            for job in group:
                self._one(cursor, job)
            cursor.execute("COMMIT")
            # After the commit, too: what went to a file that is gone must not be acknowledged.
            self._session.check()
        if whole.error is not None:
            error = self._session.abandon(whole.error)
            for job in group:
                if job.error is None or isinstance(job.error, sqlite3.Error):
                    job.error = error

    def close(self) -> None:
        """Close the connection."""
        self._session.close()

    def _one(self, cursor: sqlite3.Cursor, job: Job[sqlite3.Cursor, Any]) -> None:
        cursor.execute("SAVEPOINT job")
        job.run(cursor)
        native = job.error
        if isinstance(native, sqlite3.Error):
            # SQLite rolls all back by itself where the disk is full or broken.
            if is_broken(native) or not cursor.connection.in_transaction:
                raise native
            job.error = translate(native, self._session.file.path)
        if job.error is not None:
            cursor.execute("ROLLBACK TO job")
        cursor.execute("RELEASE job")
