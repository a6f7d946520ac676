"""One connection that never waits for ever, and what work is given: statements over it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec
import psycopg
from psycopg.abc import PQGen

from serai.store.cluster.address import Address
from serai.store.cluster.errors import SilentError

T = TypeVar("T")
RV = TypeVar("RV")
Parameters = Sequence[Any] | Mapping[str, Any]

#: Names the advisory lock of who moves tasks; the octets of "tasks".
TASKS = int.from_bytes(b"tasks", "big")

_CONSISTENT = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"


class Connection(psycopg.Connection[tuple[Any, ...]]):
    """A connection in autocommit mode that gives a server up which does not answer."""

    silence = 10.0  # seconds

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        """Wait for an answer; `SilentError` after ``silence`` seconds, and the connection is closed."""
        if timeout is not None:
            return super().wait(gen, interval, timeout)
        try:
            return super().wait(gen, interval, self.silence)
        except psycopg.errors._WaitTimeout as error:
            self.pgconn.finish()
            raise SilentError from error

    @property
    def idle(self) -> bool:
        """Tell whether it is open and in no transaction."""
        return not self.closed and self.info.transaction_status == psycopg.pq.TransactionStatus.IDLE


def connect(address: Address, name: str) -> Connection:
    """Open a connection; raises native errors."""
    connection = Connection.connect(**address.arguments(name), autocommit=True, prepare_threshold=2)
    connection.silence = address.patience.answer
    return connection


class Head(msgspec.Struct, frozen=True):
    """The newest change."""

    number: int
    mark: int


class Tx:
    """Statements over one connection, and what its commit has to bring with it."""

    def __init__(self, connection: Connection, *, alone: bool = False) -> None:
        self.connection = connection
        self.head: Head | None = None  # where this transaction writes changes, the last of them
        self.queues: set[str] = set()  # that have new work, of which all hosts are told
        self.lanes: dict[tuple[str, str, str, str], int] = {}  # what was read of them and still holds
        self.has_gates: bool | None = None
        self._alone = alone  # holds the lock of who moves tasks, or moves none
        self._cursor = connection.cursor()

    def rows(self, statement: str, parameters: Parameters = ()) -> list[tuple[Any, ...]]:
        """Return all rows of a statement."""
        return self._cursor.execute(statement.encode(), parameters, binary=True).fetchall()

    def row(self, statement: str, parameters: Parameters = ()) -> tuple[Any, ...] | None:
        """Return a statement's first row."""
        return self._cursor.execute(statement.encode(), parameters, binary=True).fetchone()

    def run(self, statement: str, parameters: Parameters = ()) -> int:
        """Run a statement; return how many rows it wrote."""
        return self._cursor.execute(statement.encode(), parameters).rowcount

    def lock_tasks(self) -> None:
        """Be the only one who moves tasks, until the commit; who only reads need not wait for that."""
        if not self._alone:
            self.run("SELECT pg_advisory_xact_lock(%s)", (TASKS,))
            self._alone = True

    def consistently(self, work: Callable[[Tx], T]) -> T:
        """Run work that only reads, on one state of the database."""
        self.run(_CONSISTENT)
        try:
            return work(self)
        finally:
            if not self.connection.closed:
                self.run("ROLLBACK")

    def save(self) -> tuple[Head | None, frozenset[str]]:
        """Make a savepoint; return what `go_back` wants."""
        self.run("SAVEPOINT job")
        return self.head, frozenset(self.queues)

    def go_back(self, place: tuple[Head | None, frozenset[str]]) -> None:
        """Undo what was done since `save`, in the database and here."""
        self.run("ROLLBACK TO job; RELEASE job")
        self.head, self.queues = place[0], set(place[1])
        self.lanes.clear()
        self.has_gates = None
