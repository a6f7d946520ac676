"""A transaction that moves tasks, and a row's columns as a task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from serai.store.cluster.tx import Tx
from serai.store.taskrows.lanes import Lane
from serai.store.tasks import Task

#: The columns in the order of `Task`'s fields; its arguments and its result lie elsewhere where they are large.
COLUMNS = (
    "number, id, function, tenant, app, queue, channel, priority, not_before, deadline, retries, provider, key, "
    "parent, who, created, state, wait, run, failures, lost, bot, progress, sentence, started, finished, expires, "
    "awaits, ties, options, failure"
)

_PLACED = f"""
SELECT {", ".join(f"t.{name}" for name in COLUMNS.split(", "))}
FROM task_place p JOIN task t ON t.number = p.number WHERE
"""  # noqa: S608 - constants
#: Those of a row by which it is found in ``task_place``, as long as its state is not `done`.
PLACED = ("state", "wait", "lane", "priority", "bot", "channel", "function", "not_before", "expires")

#: When the next row's time comes, and when the next one expires.
DUE = "(SELECT min(not_before) FROM task_place WHERE wait = 'time')"
EXPIRES = "(SELECT min(expires) FROM task_place WHERE expires > 0 AND state = 'to_do')"


#: The id of a lane by its key; none where that is of NULLs.
AT_LANE = "(SELECT id FROM task_lane WHERE queue = %s AND tenant = %s AND provider = %s AND channel = %s)"
_NO_LANE = (None, None, None, None)
#: It begins at its queue's time, one task behind its tenant's others.
_NEW_LANE = f"""
INSERT INTO task_lane (queue, tenant, provider, channel, time)
SELECT q, w, %s, %s, greatest((SELECT t.time FROM task_time t WHERE t.queue = q),
                             (SELECT max(l.time) + 1 FROM task_lane l WHERE l.queue = q AND l.tenant = w), 0)
FROM (SELECT %s::text COLLATE "C" AS q, %s::text COLLATE "C" AS w) one WHERE {AT_LANE} IS NULL
"""  # noqa: S608 - constants


class Table:
    """What is made for each piece of work.

    Whoever moves tasks is alone: what one may start depends on what all others run, on whichever host. But bots whose
    tasks have neither channels nor limits share them (`serai.store.cluster.tasks.shelf`).
    """

    def __init__(self, tx: Tx) -> None:
        tx.lock_tasks()
        self._tx = tx
        self._lanes: list[Lane] = []  # those that a claim looks at

    def _lane(self, lane: int | None) -> Sequence[str | None]:
        """Return the key of a lane that is told by its place among the transaction's, and see that it is there."""
        if lane is None:
            return _NO_LANE
        key = queue, tenant, provider, channel = self._tx.lanes[lane]
        if key not in self._tx.sure:
            self._tx.later(_NEW_LANE, (provider, channel, queue, tenant, *key))
            self._tx.sure.add(key)
        return key

    def _rows(self, where: str, *values: Any) -> list[Task]:
        return [Task(*row) for row in self._tx.rows(f"SELECT {COLUMNS} FROM task WHERE {where}", values)]  # noqa: S608 - constants

    def _placed(self, where: str, *values: Any) -> list[Task]:
        """Return the rows of places, in their order; ``where`` speaks of ``p``, and may say an order and a limit."""
        found = self._tx.rows(f"{_PLACED} {where}", values)
        return [Task(*row) for row in found]

    def _one(self, statement: str, *values: Any) -> Any:
        """Return the first column of the first row, or None."""
        row = self._tx.row(statement, values)
        return None if row is None else row[0]


def storable(text: str) -> str:
    """Return a text from a program without what a database can't hold: NUL, and halves of characters."""
    if "\0" not in text and text.isascii():
        return text
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()
