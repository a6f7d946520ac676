"""One connection that never waits for ever, and statements that travel together.

psycopg's own pipeline mode sends each statement as it comes. Over a network, a part of them would be there already
when the rest is lost, and the server, which is not told that a message is over, would hold their locks without a time
limit. So here all go as one message, with its end. That reaches below psycopg's interface, in this file alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeVar

import psycopg
from psycopg import generators
from psycopg.abc import Params, PQGen

from serai.store.cluster.address import Address
from serai.store.cluster.errors import SilentError

RV = TypeVar("RV")


class Cursor(psycopg.Cursor[tuple[Any, ...]]):
    """What holds a statement's answer."""

    def board(self, flight: _Flight, statement: Statement) -> None:
        """Leave a statement to the flight that its connection is in."""
        for _ in self._start_query(statement.text):
            raise AssertionError  # it sends nothing in autocommit mode
        query = self._convert_query(statement.text, statement.parameters)
        if statement.plain:  # psycopg would forget all plans at each ROLLBACK
            self._execute_send(query, binary=True)
            flight.result_queue.append((self, None))
        else:
            for _ in self._maybe_prepare_gen(query, binary=True):
                raise AssertionError  # nor amid a flight
        self._last_query = statement.text


class Statement(NamedTuple):
    """A statement and who waits for its answer; a ``plain`` one has no plan that would be worth keeping."""

    cursor: Cursor
    text: bytes
    parameters: Params = ()
    plain: bool = False


class _Flight(psycopg.Pipeline):
    """Statements that travel as one message and are answered by one."""

    def go(self) -> PQGen[None]:
        self._enqueue_sync()
        while self.command_queue:
            self.command_queue.popleft()()
        yield from generators.send(self.pgconn)
        yield from self._fetch_gen(flush=False)


class Connection(psycopg.Connection[tuple[Any, ...]]):
    """A connection in autocommit mode that gives a server up which does not answer."""

    silence = 10.0  # seconds
    sent = False  # something of the last flight may have been
    doubtful = False  # a flight went wrong: it is unknown which of its statements the server has prepared

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        """Wait for an answer; `SilentError` after ``silence`` seconds, and the connection is closed."""
        if timeout is not None:
            return super().wait(gen, interval, timeout)
        try:
            return super().wait(gen, interval, self.silence)
        except psycopg.errors._WaitTimeout as error:
            self.pgconn.finish()
            raise SilentError from error

    def fly(self, statements: Sequence[Statement]) -> None:
        """Run statements in one round trip; where one fails, those after it are not run, and its error is raised."""
        self.doubtful, self.sent = True, False
        with self.lock:
            flight = self._pipeline = _Flight(self)
            self.pgconn.enter_pipeline_mode()
            try:
                for each in statements:
                    each.cursor.board(flight, each)
                self.sent = True
                self.wait(flight.go())
            finally:
                self._pipeline = None
            self.pgconn.exit_pipeline_mode()
            self.wait(self._prepared.maintain_gen(self))
        self.doubtful = False

    def roll_back(self) -> None:
        """Undo what is open."""
        self.fly([Statement(Cursor(self), b"ROLLBACK", plain=True)])

    @property
    def refused(self) -> bool:
        """Tell whether it is open and in a transaction that can only be rolled back."""
        return not self.closed and self.info.transaction_status == psycopg.pq.TransactionStatus.INERROR

    @property
    def idle(self) -> bool:
        """Tell whether it is open and in no transaction."""
        return not self.closed and self.info.transaction_status == psycopg.pq.TransactionStatus.IDLE


def connect(address: Address, name: str) -> Connection:
    """Open a connection; raises native errors."""
    connection = Connection.connect(
        **address.arguments(name), autocommit=True, prepare_threshold=2, cursor_factory=Cursor
    )
    connection.silence = address.patience.answer
    return connection
