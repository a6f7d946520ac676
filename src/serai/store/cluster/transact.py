"""What the engine's threads do: one writes with group commit and knows how each commit ended; others read.

Jobs of a group share a transaction without savepoints: what they do seldom fails. Where one does, all is undone, and
done again with each in a savepoint, so that one's conflict is not the others'. So work may be run twice, and must
change nothing but the database.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg import sql

from serai.errors import SeraiError, UnavailableError
from serai.store.cluster.connection import TASKS, Tx
from serai.store.cluster.database import Database, Link
from serai.store.cluster.errors import SilentError, is_fatal, translate, unknown
from serai.store.cluster.nudges import notify, of_change, of_queue
from serai.store.jobs import Job, Kept

#: The lock is the writer's own: who asks how its transaction ended waits for that.
_BEGIN = sql.SQL("BEGIN; SELECT pg_advisory_xact_lock({lock})")
#: Nothing is noted where nothing was written: such a commit need not wait for the disk.
_NOTE = sql.SQL(
    "INSERT INTO writer (id, at, seen) SELECT {id}, {at}, now() WHERE pg_current_xact_id_if_assigned() IS NOT NULL "
    "ON CONFLICT (id) DO UPDATE SET at = excluded.at, seen = excluded.seen; "
)
#: Both at once, since who has the lock asks next whether there are gates.
_ALONE = sql.SQL("; SELECT pg_advisory_xact_lock({tasks}); SELECT EXISTS (SELECT 1 FROM task_gate)").format(tasks=TASKS)
_HEAD = sql.SQL("UPDATE head SET number = {number}, mark = {mark}; ")
_WAIT = "SELECT pg_advisory_xact_lock(%s)"
_ENDED = "SELECT at FROM writer WHERE id = %s"
_FORGET = "DELETE FROM writer WHERE id = %s OR seen < now() - interval '7 days'"

_AGAIN = 0.05  # seconds between two looks for a database that is away

_NATIVE = (psycopg.Error, SilentError)


class Writing:
    """Run groups of jobs, each group in one transaction; ``tasks`` says that they move tasks."""

    def __init__(self, database: Database, name: str, *, tasks: bool = False) -> None:
        self._tasks = tasks
        self._address = database.address
        self._link = Link(database, name)
        self._id = uuid.uuid4()
        self._lock = self._id.int >> 65  # 63 bits
        self._at = 0

    def transact(self, group: Sequence[Job[Tx, Any]]) -> None:
        """Run jobs durably; what goes wrong with the transaction goes wrong with each of them."""
        whole = Kept()
        with whole:
            if not self._together(group):
                self._apart(group)
        if whole.error is not None:
            error = self._link.abandon(whole.error)
            for job in group:
                job.error = error

    def close(self) -> None:
        """Strike the writer off, and those that did nothing for a week; close the connection."""
        with Kept():
            if self._at:
                self._link.get().execute(_FORGET, (self._id,))
        self._link.drop()

    def _together(self, group: Sequence[Job[Tx, Any]]) -> bool:
        """Run jobs; return False, with nothing done, where one of several failed."""
        tx = self._begin()
        for job in group:
            if not self._goes_well(job, tx):
                tx.run("ROLLBACK")
                return len(group) == 1
        self._commit(tx)
        return True

    def _apart(self, group: Sequence[Job[Tx, Any]]) -> None:
        """Run jobs, each in a savepoint."""
        tx = self._begin()
        for job in group:
            place = tx.save()
            if self._goes_well(job, tx):
                tx.run("RELEASE job")
            else:
                tx.go_back(place)
        self._commit(tx)

    def _goes_well(self, job: Job[Tx, Any], tx: Tx) -> bool:
        job.run(tx)
        if isinstance(job.error, _NATIVE):
            if tx.connection.closed or is_fatal(job.error):
                raise job.error
            job.error = translate(job.error, self._address)
        return job.error is None

    def _begin(self) -> Tx:
        connection = self._link.get()
        self._at += 1
        begin = _BEGIN.format(lock=self._lock)
        if not self._tasks:
            connection.execute(begin)
            return Tx(connection)
        cursor = connection.execute(sql.Composed([begin, _ALONE]))
        while cursor.nextset():
            pass
        row = cursor.fetchone()
        tx = Tx(connection, alone=True)
        tx.has_gates = row is not None and bool(row[0])
        return tx

    def _commit(self, tx: Tx) -> None:
        """Commit with what belongs to it, in one message; raise where it was surely, or perhaps, not done."""
        parts: list[sql.Composable] = []
        if tx.head is not None:
            parts.append(_HEAD.format(number=tx.head.number, mark=tx.head.mark))
            parts.append(notify(of_change(tx.head.number)))
        parts += [notify(of_queue(queue)) for queue in sorted(tx.queues)]
        try:
            note = _NOTE.format(id=str(self._id), at=self._at)
            tx.connection.execute(sql.Composed([*parts, note, sql.SQL("COMMIT")]))
        except _NATIVE as error:
            if not tx.connection.closed:
                raise  # the server said no
            if not self._was_done():
                raise UnavailableError(f"the database {self._address} went away before a commit") from error

    def _was_done(self) -> bool:
        """Find out how the last commit ended, which went without an answer."""
        end = time.monotonic() + self._address.patience.doubt
        while True:
            self._link.drop()
            try:
                connection = self._link.get()
                connection.execute(_WAIT, (self._lock,))
                row = connection.execute(_ENDED, (self._id,)).fetchone()
            except (SeraiError, *_NATIVE) as error:
                if time.monotonic() > end:
                    raise unknown(self._address) from error
                time.sleep(_AGAIN)
            else:
                return row is not None and row[0] == self._at


class Reading:
    """Run jobs that only read, one by one."""

    def __init__(self, database: Database, name: str) -> None:
        self._link = Link(database, name)

    def transact(self, group: Sequence[Job[Tx, Any]]) -> None:
        """Run jobs."""
        for job in group:
            away = Kept()
            with away:
                job.run(Tx(self._link.get(), alone=True))
            native = away.error or job.error
            if native is not None:
                job.error = self._link.abandon(native)

    def close(self) -> None:
        """Close the connection."""
        self._link.drop()
