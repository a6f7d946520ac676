"""What work is given: statements over one connection, as few messages to and fro as their answers allow.

What needs no answer is kept until something does, and what will surely be asked can be asked ahead: all of it travels
as one message and is answered by one (libpq's pipeline mode). So what a transaction costs over a network is the number
of times that it has to know something before it can go on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import msgspec

from serai.store.cluster.connection import Connection, Cursor, Statement

T = TypeVar("T")
Parameters = Sequence[Any] | Mapping[str, Any]

#: Names the advisory lock of who moves tasks; the octets of "tasks".
TASKS = int.from_bytes(b"tasks", "big")

_CONSISTENT = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
#: They are understood at once, and a tap on the wire shows where a transaction ends.
_PLAIN = ("BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE")


class Head(msgspec.Struct, frozen=True):
    """The newest change."""

    number: int
    mark: int


class Place(NamedTuple):
    """What a transaction has to bring with its commit, as it was at a savepoint."""

    head: Head | None
    queues: frozenset[str]
    counts: dict[tuple[str, str], int]


class AloneError(Exception):
    """Work that turned out to need the tasks for itself: it is done again with them."""


class Ends(NamedTuple):
    """What lets work end its transaction itself, and begin another one."""

    commit: Callable[[], None]
    begin: Callable[[], None]


class _Sent(NamedTuple):
    """A statement that travels, or travelled, ahead of the question."""

    statement: str
    parameters: Parameters
    cursor: Cursor
    sure: bool = False


class Tx:
    """Statements over one connection, and what its commit has to bring with it.

    With ``eager`` each statement is run when it is given: so a savepoint knows whose mistake an error is. Where it
    moves tasks and they are not its own yet (``alone``), it may share them with others: ``sociable``.
    """

    def __init__(
        self, connection: Connection, *, alone: bool = False, eager: bool = False, sociable: bool = False
    ) -> None:
        self.connection = connection
        self.head: Head | None = None  # where this transaction writes changes, the last of them
        self.queues: set[str] = set()  # that have new work, of which all hosts are told
        self.counts: dict[tuple[str, str], int] = {}  # tenant and app: by how many more of their tasks wait
        self.lanes: list[tuple[str, str, str, str]] = []  # keys of those that were asked for
        self.sure: set[tuple[str, str, str, str]] = set()  # and that are surely there
        self.places = 0  # of the bot that is about to claim
        self.spare = 0  # tasks that it may look past
        self.lanes_seen = 0  # by the claim under way
        self.emptied: list[int] = []  # lanes of which a claim took the last task that it saw
        self.ends: Ends | None = None  # where it is of one piece of work
        self.over = False  # it was committed already
        self._alone = alone  # holds the lock of who moves tasks, or moves none
        self._sociable = sociable
        self._allowed: frozenset[str] | None = None  # statements that go well beside those of others, while it shares
        self._eager = eager
        self._waiting: list[_Sent] = []
        self._foreseen: list[_Sent] = []
        self._mute = Cursor(connection)  # of what needs no answer

    def rows(self, statement: str, parameters: Parameters = ()) -> list[tuple[Any, ...]]:
        """Return all rows of a statement."""
        return self._answer(statement, parameters).fetchall()

    def row(self, statement: str, parameters: Parameters = ()) -> tuple[Any, ...] | None:
        """Return a statement's first row."""
        return self._answer(statement, parameters).fetchone()

    def run(self, statement: str, parameters: Parameters = ()) -> int:
        """Run a statement; return how many rows it wrote."""
        return self._answer(statement, parameters).rowcount

    def later(self, statement: str, parameters: Parameters = (), *, apart: bool = False) -> None:
        """Run a statement before the next one whose answer is wanted, or with the commit.

        What was foreseen is asked anew after it, unless it is of something else: ``apart``.
        """
        self._permit(statement)
        if not apart:
            self._doubt()
        self._waiting.append(_Sent(statement, parameters, self._mute))
        if self._eager:
            self.send()

    def foresee(self, statement: str, parameters: Parameters = (), *, sure: bool = False) -> None:
        """Ask ahead what will be asked in the same words; anew, if something else was asked or written in between.

        With ``sure`` it is not run twice: it writes, and is asked for whatever comes in between.
        """
        if not self._eager:
            sent = _Sent(statement, parameters, Cursor(self.connection), sure)
            self._waiting.append(sent)
            self._foreseen.append(sent)

    def send(self) -> None:
        """Run all that waits."""
        waiting, self._waiting = self._waiting, []
        if waiting:
            self.connection.fly([_on_the_wire(each) for each in waiting])

    def forget(self) -> None:
        """Drop what waits, since all is rolled back."""
        self._waiting.clear()
        self._foreseen.clear()

    def look_at(self, queue: str, limit: int) -> Parameters:
        """Return with what the first lanes of a queue are asked for."""
        return {"queue": queue, "limit": limit, "places": self.places, "spare": self.spare}

    def lock_tasks(self) -> None:
        """Be the only one who moves tasks, until the commit; who only reads need not wait for that."""
        if not self._alone and not self.shares:
            self.later("SELECT pg_advisory_xact_lock(%s)", (TASKS,))
            self._alone = True

    def share_tasks(self, allowed: frozenset[str]) -> None:
        """Move tasks beside others who do, by no other statements than these; `AloneError` where others are needed.

        Those take no row that another one has locked, and change what they share by adding to it.
        """
        if self._alone or not self._sociable:
            self.lock_tasks()
        elif not self.shares:
            self.later("SELECT pg_advisory_xact_lock_shared(%s)", (TASKS,))
            self._allowed = allowed

    @property
    def shares(self) -> bool:
        """Tell whether others move tasks, too."""
        return self._allowed is not None

    @property
    def fresh(self) -> bool:
        """Tell whether work may `conclude`."""
        return self.ends is not None and self._sociable and not self._alone

    def conclude(self, statement: str, parameters: Parameters, behind: str, its: Parameters) -> list[tuple[Any, ...]]:
        """Run two statements and commit, in one round trip; return the first one's rows.

        Where there are none, the work goes on in another transaction. What went well and was not heard of is an error
        whose ``outcome`` is unknown.
        """
        if self.ends is None:
            raise RuntimeError("this transaction is not of one piece of work")
        self._permit(statement)
        cursor = Cursor(self.connection)
        self._waiting.append(_Sent(statement, parameters, cursor))
        self.later(behind, its)
        self.ends.commit()
        rows = cursor.fetchall()
        self.over = bool(rows)
        if not rows:
            self.ends.begin()
        return rows

    def end(self) -> None:
        """Let what belongs to the commit follow."""
        self._allowed = None

    def consistently(self, work: Callable[[Tx], T]) -> T:
        """Run work that only reads, on one state of the database."""
        self.later(_CONSISTENT)
        done = work(self)
        self.run("COMMIT")
        return done

    def save(self) -> Place:
        """Make a savepoint; return what `go_back` wants."""
        self.run("SAVEPOINT job")
        return Place(self.head, frozenset(self.queues), dict(self.counts))

    def go_back(self, place: Place) -> None:
        """Undo what was done since `save`, in the database and here."""
        self.run("ROLLBACK TO job")
        self.run("RELEASE job")
        self.head, self.queues, self.counts = place.head, set(place.queues), dict(place.counts)
        self.sure.clear()

    def _permit(self, statement: str) -> None:
        if self._allowed is not None and statement not in self._allowed:
            raise AloneError

    def _doubt(self) -> None:
        self._foreseen = [each for each in self._foreseen if each.sure]

    def _answer(self, statement: str, parameters: Parameters) -> Cursor:
        for each in self._foreseen:
            if each.statement is statement and each.parameters == parameters:
                self._foreseen.remove(each)
                self.send()
                return each.cursor
        self._permit(statement)
        self._doubt()  # this may write
        cursor = Cursor(self.connection)
        self._waiting.append(_Sent(statement, parameters, cursor))
        self.send()
        return cursor


def _on_the_wire(sent: _Sent) -> Statement:
    plain = sent.statement.startswith(_PLAIN)
    return Statement(sent.cursor, sent.statement.encode(), sent.parameters, plain)
