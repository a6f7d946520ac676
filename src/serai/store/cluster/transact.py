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

from serai.errors import SeraiError, UnavailableError
from serai.store.cluster.database import Database, Link
from serai.store.cluster.errors import SilentError, is_fatal, translate, unknown
from serai.store.cluster.nudges import CHANNEL, FIRST, NOTIFY, of_change, of_queue
from serai.store.cluster.tx import AloneError, Ends, Tx
from serai.store.jobs import Job, Kept

#: The lock is the writer's own: who asks how its transaction ended waits for that.
_LOCK = "SELECT pg_advisory_xact_lock(%s)"
#: Nothing is noted where nothing was written: such a commit need not wait for the disk.
_NOTE = """
INSERT INTO writer (id, at, seen) SELECT %s, %s, now() WHERE pg_current_xact_id_if_assigned() IS NOT NULL
ON CONFLICT (id) DO UPDATE SET at = excluded.at, seen = excluded.seen
"""
#: The lock of who moves tasks is let go before the disk was waited for, and then it is: the log is written in order, so
#: what is durable takes all before it along. Whoever goes on meanwhile is told that it is done only after that, too.
#: A claim is no exception, though its function could begin sooner: a server that crashes forgets what it had not
#: written down, and may be back before the bot notices. Another bot would then run the task beside it, and to refuse
#: the first one's acknowledgement undoes nothing of that. On SQLite only the end of the machine forgets, bots and all.
_SOON = "SET LOCAL synchronous_commit = off"
_DURABLE = "UPDATE writer SET seen = now() WHERE id = %s AND at = %s"
_HEAD = "UPDATE head SET number = %s, mark = %s"
#: Last, since others who do it, too, wait from here to the end; and in one order.
_COUNT = """
INSERT INTO task_count AS c (tenant, app, waiting)
SELECT * FROM unnest(%s::text[], %s::text[], %s::bigint[])
ON CONFLICT (tenant, app) DO UPDATE SET waiting = c.waiting + excluded.waiting
"""
_FORGET = "DELETE FROM writer WHERE id = %s OR seen < now() - interval '7 days'"

#: Transactions that want the tasks for themselves at once, after one that had to find out that it needed that.
_ALONE = 16
_NAMED = 3  # queues of which one bot is told first
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
        self._alone = 0  # transactions left that do not try to share

    def transact(self, group: Sequence[Job[Tx, Any]]) -> None:
        """Run jobs durably; what goes wrong with the transaction goes wrong with each of them."""
        whole = Kept()
        with whole:
            if not self._together(group):
                self._apart(group)
        if whole.error is not None:
            error = self._link.abandon(whole.error)
            if isinstance(whole.error, psycopg.errors.LockNotAvailable):
                self._link.evict()
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
        sociable, self._alone = not self._alone, max(0, self._alone - 1)
        tx = self._begin(sociable=sociable)
        if self._tasks and len(group) == 1:
            tx.ends = Ends(lambda: self._conclude(tx), lambda: self._open(tx))
        if all(self._goes_well(job, tx) for job in group):
            try:
                if not tx.over:
                    self._commit(tx)
            except _NATIVE as error:  # perhaps at a statement that had waited: whose, is unknown
                if len(group) == 1 or not self._concerns_one(error, tx):
                    raise
            else:
                return True
        tx.forget()
        self._link.roll_back()
        if any(isinstance(job.error, AloneError) for job in group):
            self._alone = _ALONE
            return self._together(group)
        return len(group) == 1

    def _apart(self, group: Sequence[Job[Tx, Any]]) -> None:
        """Run jobs, each in a savepoint."""
        tx = self._begin(eager=True)
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
            if not self._concerns_one(job.error, tx):
                raise job.error
            job.error = translate(job.error, self._address)
        return job.error is None

    def _concerns_one(self, error: Exception, tx: Tx) -> bool:
        """Tell whether others of the group may do better."""
        return not (tx.connection.closed or is_fatal(error) or isinstance(error, psycopg.errors.LockNotAvailable))

    def _begin(self, *, eager: bool = False, sociable: bool = False) -> Tx:
        tx = Tx(self._link.get(), eager=eager, sociable=sociable)
        self._open(tx)
        return tx

    def _open(self, tx: Tx) -> None:
        self._at += 1
        tx.later("BEGIN")
        tx.later(_LOCK, (self._lock,))

    def _conclude(self, tx: Tx) -> None:
        """Commit for work that wants what the server says to that; raise where it is done, but was not heard."""
        self._commit(tx)
        if tx.connection.doubtful:
            raise unknown(self._address)

    def _commit(self, tx: Tx) -> None:
        """Commit with what belongs to it; raise where it was surely, or perhaps, not done."""
        tx.end()
        if tx.head is not None:
            tx.later(_HEAD, (tx.head.number, tx.head.mark))
        nudges = ([of_change(tx.head.number)] if tx.head is not None else []) + [of_queue(q) for q in sorted(tx.queues)]
        for queue in sorted(tx.queues)[:_NAMED]:
            tx.later(FIRST, (CHANNEL, queue))
        if nudges:
            tx.later(NOTIFY, (CHANNEL, nudges))
        if counts := sorted((*whose, by) for whose, by in tx.counts.items() if by):
            tx.later(_COUNT, [list(column) for column in zip(*counts, strict=True)])
        tx.later(_NOTE, (self._id, self._at))
        if self._tasks:
            tx.later(_SOON)
        tx.later("COMMIT")
        if self._tasks:
            tx.later(_DURABLE, (self._id, self._at))
        try:
            tx.send()
        except _NATIVE as error:
            # What ends a connection may come after the commit. Else the transaction is there still, and has failed.
            if tx.connection.refused or not tx.connection.sent:
                raise
            if not self._was_done():
                raise UnavailableError(f"the database {self._address} went away before a commit") from error

    def _was_done(self) -> bool:
        """Find out how the last commit ended, which went without an answer."""
        end = time.monotonic() + self._address.patience.doubt
        while True:
            self._link.drop()
            try:
                connection = self._link.get()
                connection.execute(_LOCK, (self._lock,))
                done = connection.execute(_DURABLE, (self._id, self._at)).rowcount
            except (SeraiError, *_NATIVE) as error:
                if time.monotonic() > end:
                    raise unknown(self._address) from error
                time.sleep(_AGAIN)
            else:
                return done == 1


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
