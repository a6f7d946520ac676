"""Nudges between hosts, by NOTIFY: each commit tells of its changes and of the queues that have new work.

All of them are hints: who misses one finds out at its next poll.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import psycopg
from psycopg import sql
from psycopg.pq.abc import PGconn

from serai.store.cluster.address import Address
from serai.store.driver import Nudge

#: Where notifications go; each database has its own.
CHANNEL = "serai"

#: Sends nudges with the commit of its transaction; of two that are the same, one.
NOTIFY = "SELECT pg_notify(%s, nudge) FROM unnest(%s::text[]) nudge"
#: Goes before that of a queue. All who are idle hear of its work at once, and would hinder each other.
FIRST = r"""
SELECT pg_notify(%s, 'first ' || queues || E'\n' || name) FROM task_bot WHERE queues = %s ORDER BY random() LIMIT 1
"""

_AGAIN = 1.0  # seconds until the next attempt after the connection broke


def of_change(number: int) -> str:
    """Return the nudge for changes, the last of which has this number."""
    return f"change {number}"


def of_queue(queue: str) -> str:
    """Return the nudge for new work in a queue."""
    return f"queue {queue}"


def read(payload: str) -> Nudge:
    """Return what a nudge says; one that only newer code understands may be about anything."""
    kind, _, rest = payload.partition(" ")
    if kind == "change" and rest.isascii() and rest.isdigit():
        return Nudge(change=int(rest))
    if kind == "first":
        queue, _, bot = rest.partition("\n")
        return Nudge(queue=queue, bot=bot)
    return Nudge(queue=rest) if kind == "queue" else Nudge()


class Work:
    """What bots are told of nudges: that there is work, and who is to look first."""

    def __init__(self, queues: Sequence[str], heard: Callable[[str], None]) -> None:
        self._queues = frozenset(("", *queues))
        self._heard = heard
        self._first = ""

    def hear(self, nudge: Nudge) -> None:
        """Pass a nudge on that is of work."""
        if nudge.change or nudge.queue not in self._queues:
            return
        if nudge.bot:
            self._first = nudge.bot
            return
        first, self._first = self._first, ""
        self._heard(first)


async def listen(address: Address, heard: Callable[[Nudge], None]) -> None:
    """Tell what is committed until cancelled; a connection that breaks is made anew."""
    while True:
        try:
            connection = await psycopg.AsyncConnection.connect(**address.arguments("listener"), autocommit=True)
            async with connection:
                await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(CHANNEL)))
                heard(Nudge())  # something may have been missed
                await _follow(connection.pgconn, heard)
        except (psycopg.Error, OSError):
            pass  # who writes and reads tells of a database that is away
        await asyncio.sleep(_AGAIN)


async def _follow(connection: PGconn, heard: Callable[[Nudge], None]) -> None:
    """Pass on what comes, within the call in which the event loop finds it; raise where the connection breaks."""
    loop = asyncio.get_running_loop()
    broken: asyncio.Future[None] = loop.create_future()

    def receive() -> None:
        try:
            connection.consume_input()
            while (notification := connection.notifies()) is not None:
                heard(read(notification.extra.decode(errors="replace")))
        except psycopg.Error as error:
            if not broken.done():
                loop.remove_reader(socket)
                broken.set_exception(error)

    socket = connection.socket
    receive()  # what came with the answer to LISTEN
    loop.add_reader(socket, receive)
    try:
        await broken
    finally:
        loop.remove_reader(socket)
