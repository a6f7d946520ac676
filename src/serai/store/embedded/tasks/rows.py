"""Rows of tasks: insert, read, change, start and end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from serai.store.embedded.tasks.table import COLUMNS, RUNNING, RUNS, Table, as_json
from serai.store.taskrows.shelf import GATED, LOOSE, Done
from serai.store.tasks import MAX_PAGE, Filter, Task

#: Octets of arguments that lie in the task's own row, which each of its moves rewrites.
INLINE = 2048

_GIVEN = COLUMNS.split(", ")[1:]
_ADD = (
    f"INSERT INTO task ({', '.join(_GIVEN)}, arguments, lane, lock) "  # noqa: S608 - constants
    f"VALUES ({', '.join('?' * (len(_GIVEN) + 3))})"
)
_ONE, _MANY = "number = ?", "number IN (SELECT value FROM json_each(?))"
#: RETURNING would take longer than the same rows looked up again: SQLite makes a trigger of it.
_TAKE = f"""
UPDATE task SET state = 'is_processing', wait = '', lane = {RUNS}, bot = ?, run = run + 1, started = ?, progress = 0,
                sentence = '', ties = ties | ?
WHERE {{}}
"""  # noqa: S608 - constants
_TAKE_ONE, _TAKE_MANY = _TAKE.format(_ONE), _TAKE.format(_MANY)
_TAKEN = f"SELECT {COLUMNS}, arguments FROM task WHERE {{}}"  # noqa: S608 - constants
_TAKEN_ONE, _TAKEN_MANY = _TAKEN.format(_ONE), _TAKEN.format(_MANY)
_FINISH = """
UPDATE task SET state = 'done', lane = NULL, finished = ?, progress = 1, ties = ties & ~{}
WHERE {} AND bot = ? AND run = ? AND state = 'is_processing' AND ties & {} = 0
"""
_FREE_ONE = _FINISH.format(GATED, _ONE, -1)
_FINISH_ONE, _FINISH_MANY = (_FINISH.format(GATED, which, ~LOOSE) for which in (_ONE, _MANY))
#: What the one is tied to, if the statement above ends it.
_TIES_ONE = f"""
SELECT number, ties, tenant, provider, channel FROM task
WHERE number = ? AND bot = ? AND run = ? AND state = 'is_processing' AND ties & {~LOOSE} = 0
"""  # noqa: S608 - constants
#: Those that it does not end, with ties of NULL, and those with ties.
_SPECIAL = f"""
SELECT j.value, t.ties, t.tenant, t.provider, t.channel FROM json_each(?3) AS j LEFT JOIN task AS t
       ON t.number = j.value AND t.bot = ?1 AND t.run = ?2 AND t.state = 'is_processing' AND t.ties & ~{LOOSE} = 0
WHERE t.ties IS NULL OR t.ties <> 0
"""  # noqa: S608 - constants
_EQUALS = ("state", "tenant", "app", "function", "queue", "channel", "parent", "provider")
#: What a partial index says of its rows has to stand in the statement, or SQLite does not use it.
_PARTIAL = {"parent": "parent <> ''", "app": "app <> ''"}
_STATES = {
    "error": "state IN ('error', 'canceled')",
    "canceled": "state IN ('error', 'canceled')",
    "is_processing": f"number IN ({RUNNING})",
    "to_cancel": "number IN (SELECT number FROM task INDEXED BY task_to_cancel WHERE state = 'to_cancel')",
}


class RowTable(Table):
    """The table ``task``, and ``task_payload`` for what is large."""

    def add(self, task: Task, *, lane: int | None, lock: str | None) -> int:
        """Insert a row and its arguments; return its number."""
        inline = task.payload if len(task.payload) <= INLINE else None
        values = msgspec.structs.astuple(task)
        row = (*values[1 : len(_GIVEN) + 1], inline, lane, lock)
        number = self._cursor.execute(_ADD, row).lastrowid or 0
        if inline is None:
            self._cursor.execute("INSERT INTO task_payload (task, arguments) VALUES (?, ?)", (number, task.payload))
        return number

    def append(self, task: Task, *, lane: int | None, lock: str | None) -> None:
        """Insert a row and its arguments."""
        self.add(task, lane=lane, lock=lock)

    def number(self, task: str) -> int | None:
        """Return the number of an id."""
        return self._number(self._one("SELECT number FROM task WHERE id = ?", task))

    def holder(self, tenant: str, lock: str) -> str | None:
        """Return the id of the task that holds a key."""
        found = self._one("SELECT id FROM task WHERE tenant = ? AND lock = ? AND lock IS NOT NULL", tenant, lock)
        return None if found is None else str(found)

    def task(self, number: int) -> Task | None:
        """Return a row."""
        return next(iter(self._rows("number = ?", number)), None)

    def whole(self, number: int) -> Task | None:
        """Return a row with its arguments and its result."""
        found = self._cursor.execute(f"SELECT {COLUMNS}, arguments FROM task WHERE number = ?", (number,)).fetchone()  # noqa: S608 - constants
        if found is None:
            return None
        row = self._cursor.execute("SELECT result FROM task_payload WHERE task = ?", (number,)).fetchone()
        outcome = row[0] if row and row[0] is not None else b""
        return Task(*(*found[:-1], self._arguments(number, found[-1]), outcome))

    def find(self, wanted: Filter) -> list[Task]:
        """List rows, newest first."""
        clauses, values = ["1"], []
        for column in _EQUALS:
            if (value := getattr(wanted, column)) is not None:
                clauses.append(f"{column} = ?")
                values.append(value)
                clauses += [_PARTIAL[column]] if value and column in _PARTIAL else []
        if wanted.state in _STATES:
            clauses.append(_STATES[wanted.state])
        if wanted.before is not None:
            clauses.append("number < ?")
            values.append(wanted.before)
        limit = max(0, min(wanted.limit, MAX_PAGE))
        return self._rows(f"{' AND '.join(clauses)} ORDER BY number DESC LIMIT {limit}", *values)

    def change(self, number: int, **columns: Any) -> None:
        """Set columns of a row."""
        names = " = ?, ".join(columns)
        self._cursor.execute(f"UPDATE task SET {names} = ? WHERE number = ?", (*columns.values(), number))  # noqa: S608 - names are our own

    def take(self, numbers: Sequence[int], bot: str, now: float, ties: int) -> list[Task]:
        """Start rows; return them in the order of their numbers' list, arguments included."""
        if len(numbers) == 1:
            self._cursor.execute(_TAKE_ONE, (bot, now, ties, numbers[0]))
            rows = self._cursor.execute(_TAKEN_ONE, (numbers[0],)).fetchall()
        else:
            listed = as_json(numbers)
            self._cursor.execute(_TAKE_MANY, (bot, now, ties, listed))
            rows = self._cursor.execute(_TAKEN_MANY, (listed,)).fetchall()
        tasks = [Task(*row) if row[-1] is not None else self._large(row) for row in rows]
        place = {number: index for index, number in enumerate(numbers)}
        tasks.sort(key=lambda task: place[task.number])
        return tasks

    def finish(self, bot: str, run: int, numbers: Sequence[int], now: float) -> list[Done]:
        """End those of the rows well that a bot holds in this run, with no ties but `LOOSE` ones; `GATED` goes."""
        if len(numbers) == 1:
            one = (numbers[0], bot, run)
            if self._cursor.execute(_FREE_ONE, (now, *one)).rowcount:
                return [Done(numbers[0], 0, "", "", "")]
            rows = self._cursor.execute(_TIES_ONE, one).fetchall()
            if rows:
                self._cursor.execute(_FINISH_ONE, (now, *one))
            return [Done(*row) for row in rows]
        listed = as_json(numbers)
        special = self._cursor.execute(_SPECIAL, (bot, run, listed)).fetchall()
        self._cursor.execute(_FINISH_MANY, (now, listed, bot, run))
        found = {row[0]: Done(*row) if row[1] else None for row in special}
        ended = [found.get(number, Done(number, 0, "", "", "")) for number in numbers]
        return [done for done in ended if done is not None]

    def keep(self, results: Sequence[tuple[int, bytes]]) -> None:
        """Write results of rows."""
        self._cursor.executemany(
            "INSERT INTO task_payload (task, result) VALUES (?, ?) ON CONFLICT DO UPDATE SET result = excluded.result",
            results,
        )

    def _large(self, row: tuple[Any, ...]) -> Task:
        return Task(*(*row[:-1], self._arguments(row[0], None)))

    def _arguments(self, number: int, inline: bytes | None) -> bytes:
        if inline is not None:
            return inline
        return self._one("SELECT arguments FROM task_payload WHERE task = ?", number) or b""

    def _number(self, found: Any) -> int | None:
        return None if found is None else int(found)
