"""Nudges between hosts, by NOTIFY: each commit tells of its changes and of the queues that have new work.

All of them are hints: who misses one finds out at its next poll.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import psycopg
from psycopg import sql

from serai.store.cluster.address import Address
from serai.store.driver import Nudge

#: Where notifications go; each database has its own.
CHANNEL = "serai"

#: Sends nudges with the commit of its transaction; of two that are the same, one.
NOTIFY = "SELECT pg_notify(%s, nudge) FROM unnest(%s::text[]) nudge"

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
    return Nudge(queue=rest) if kind == "queue" else Nudge()


async def listen(address: Address, heard: Callable[[Nudge], None]) -> None:
    """Tell what is committed until cancelled; a connection that breaks is made anew."""
    while True:
        try:
            connection = await psycopg.AsyncConnection.connect(**address.arguments("listener"), autocommit=True)
            async with connection:
                await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(CHANNEL)))
                heard(Nudge())  # something may have been missed
                async for notification in connection.notifies():
                    heard(read(notification.payload))
        except (psycopg.Error, OSError):
            pass  # who writes and reads tells of a database that is away
        await asyncio.sleep(_AGAIN)
