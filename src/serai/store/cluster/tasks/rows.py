"""Rows of tasks: insert, read, change, start and end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from serai.errors import InternalError
from serai.store.cluster.tasks.table import AT_LANE, COLUMNS, DUE, EXPIRES, PLACED, Table, storable
from serai.store.taskrows.shelf import GATED, LOOSE, UNIQUE, Done
from serai.store.tasks import MAX_PAGE, Filter, Task

#: Octets of arguments that lie in the task's own row, which each of its moves rewrites.
INLINE = 1024

_GIVEN = COLUMNS.split(", ")[1:]
_PLACE = f"INSERT INTO task_place (number, {', '.join(PLACED)}) SELECT number, {', '.join(PLACED)} FROM t"  # noqa: S608 - constants
_ADD = f"""
WITH t AS (
    INSERT INTO task ({", ".join(_GIVEN)}, arguments, lane, lock)
    VALUES ({", ".join(["%s"] * (len(_GIVEN) + 1))}, {AT_LANE}, %s)
    RETURNING *
)
{_PLACE} RETURNING number
"""  # noqa: S608 - constants
_BEHIND = "INSERT INTO task_payload (task, arguments) SELECT number, %s FROM task WHERE id = %s"
#: What is set goes into the middle.
_CHANGE = f"""
WITH t AS (UPDATE task SET {{}} WHERE number = %s RETURNING *),
gone AS (DELETE FROM task_place p USING t WHERE p.number = t.number AND t.state = 'done')
{_PLACE} WHERE state <> 'done'
ON CONFLICT (number) DO UPDATE SET {", ".join(f"{name} = excluded.{name}" for name in PLACED)}
"""  # noqa: S608 - constants
_ARGUMENTS = "coalesce(arguments, (SELECT p.arguments FROM task_payload p WHERE p.task = number), '')"
_WHOLE = f"""
SELECT {COLUMNS}, {_ARGUMENTS}, coalesce((SELECT p.result FROM task_payload p WHERE p.task = number), '')
FROM task WHERE number = %s
"""  # noqa: S608 - constants
_TAKE = f"""
WITH p AS (
    UPDATE task_place SET state = 'is_processing', wait = '', lane = NULL, bot = %s
    WHERE {{0}} AND lane IS NOT NULL
)
UPDATE task SET state = 'is_processing', wait = '', lane = NULL, bot = %s, run = run + 1, started = %s, progress = 0,
                sentence = '', ties = ties | %s::int
WHERE {{0}} AND lane IS NOT NULL RETURNING {COLUMNS}, {_ARGUMENTS}
"""  # noqa: S608 - constants
#: One by itself, since the server plans anew each time for as many as there are, which takes longer than to do it.
TAKE_ONE, TAKE = _TAKE.format("number = %s"), _TAKE.format("number = ANY (%s)")
#: The whole of what an idle bot mostly has to do: take the only task of its queue's only lane, if there is a place for
#: it, nothing limits it, and nothing else is due. With it comes the time of the next one that will be.
TAKE_FIRST = f"""
WITH n AS MATERIALIZED (
    SELECT {DUE} AS due, {EXPIRES} AS expires
    WHERE EXISTS (SELECT 1 FROM task_bot WHERE name = %(bot)s) AND NOT EXISTS (SELECT 1 FROM task_gate)
), o AS MATERIALIZED (
    SELECT min(id) AS id FROM (SELECT id FROM task_lane WHERE queue = %(queue)s AND shut = '' LIMIT 2) l
    HAVING count(*) = 1
), r AS MATERIALIZED (
    SELECT number, function FROM task_place WHERE lane = (SELECT id FROM o) ORDER BY priority DESC, number LIMIT 2
    FOR UPDATE SKIP LOCKED
), f AS MATERIALIZED (
    SELECT r.number, n.due, n.expires FROM r JOIN task t ON t.number = r.number CROSS JOIN n
    WHERE (SELECT count(*) FROM r) = 1 AND t.ties & {UNIQUE} = 0 AND least(n.due, n.expires, 'infinity') > %(now)s
          AND CASE WHEN r.function = ANY (%(short)s) THEN %(batch)s > 0 ELSE %(slots)s > 0 END
), p AS (
    UPDATE task_place SET state = 'is_processing', wait = '', lane = NULL, bot = %(bot)s
    WHERE number = (SELECT number FROM f)
), c AS (
    INSERT INTO task_count AS c (tenant, app, waiting)
    SELECT tenant, app, -1 FROM task WHERE number = (SELECT number FROM f) AND app <> ''
    ON CONFLICT (tenant, app) DO UPDATE SET waiting = c.waiting + excluded.waiting
)
UPDATE task SET state = 'is_processing', wait = '', lane = NULL, bot = %(bot)s, run = run + 1, started = %(now)s,
                progress = 0, sentence = ''
WHERE number = (SELECT number FROM f)
RETURNING (SELECT least(due, expires) FROM f), {COLUMNS}, {_ARGUMENTS}
"""  # noqa: S608 - constants
FINISH = f"""
WITH o AS (
    SELECT number, ties, tenant, provider, channel FROM task
    WHERE number = ANY (%s) AND bot = %s AND run = %s AND state = 'is_processing' AND ties & ~{LOOSE} = 0
), gone AS (
    DELETE FROM task_place p USING o WHERE p.number = o.number
)
UPDATE task t SET state = 'done', finished = %s, progress = 1, ties = t.ties & ~{GATED}
FROM o WHERE t.number = o.number RETURNING o.number, o.ties, o.tenant, o.provider, o.channel
"""  # noqa: S608 - constants
KEEP = """
INSERT INTO task_payload (task, result) SELECT * FROM unnest(%s::bigint[], %s::bytea[])
ON CONFLICT (task) DO UPDATE SET result = excluded.result
"""
_EQUALS = ("state", "tenant", "app", "function", "queue", "channel", "parent", "provider")
#: What a partial index says of its rows has to stand in the statement, or it is not used.
_PARTIAL = {"parent": "parent <> ''", "app": "app <> ''"}
_FEW = {
    "error": "state IN ('error', 'canceled')",
    "canceled": "state IN ('error', 'canceled')",
    "is_processing": "state IN ('is_processing', 'to_cancel')",
    "to_cancel": "state IN ('is_processing', 'to_cancel')",
}


class RowTable(Table):
    """The table ``task``, and ``task_payload`` for what is large."""

    def add(self, task: Task, *, lane: int | None, lock: str | None) -> int:
        """Insert a row and its arguments; return its number."""
        inline = task.payload if len(task.payload) <= INLINE else None
        values = msgspec.structs.astuple(task)
        number = int(self._one(_ADD, *values[1 : len(_GIVEN) + 1], inline, *self._lane(lane), lock))
        if inline is None:
            self._tx.later("INSERT INTO task_payload (task, arguments) VALUES (%s, %s)", (number, task.payload))
        return number

    def append(self, task: Task, *, lane: int | None, lock: str | None) -> None:
        """Insert a row and its arguments, like `add`."""
        inline = task.payload if len(task.payload) <= INLINE else None
        values = msgspec.structs.astuple(task)
        self._tx.later(_ADD, (*values[1 : len(_GIVEN) + 1], inline, *self._lane(lane), lock))
        if inline is None:
            self._tx.later(_BEHIND, (task.payload, task.id))

    def number(self, task: str) -> int | None:
        """Return the number of an id."""
        found = self._one("SELECT number FROM task WHERE id = %s", storable(task))
        return None if found is None else int(found)

    def holder(self, tenant: str, lock: str) -> str | None:
        """Return the id of the task that holds a key."""
        found = self._one("SELECT id FROM task WHERE tenant = %s AND lock = %s AND lock IS NOT NULL", tenant, lock)
        return None if found is None else str(found)

    def task(self, number: int) -> Task | None:
        """Return a row."""
        return next(iter(self._rows("number = %s", number)), None)

    def whole(self, number: int) -> Task | None:
        """Return a row with its arguments and its result."""
        found = self._tx.row(_WHOLE, (number,))
        return None if found is None else Task(*found)

    def find(self, wanted: Filter) -> list[Task]:
        """List rows, newest first."""
        clauses: list[str] = ["true"]
        values: list[str | int] = []
        for column in _EQUALS:
            if (value := getattr(wanted, column)) is not None:
                clauses.append(f"{column} = %s")
                values.append(storable(value))
                clauses += [_PARTIAL[column]] if value and column in _PARTIAL else []
        if wanted.state in _FEW:
            clauses.append(f"number IN (SELECT number FROM task_place WHERE {_FEW[wanted.state]} AND state = %s)")  # noqa: S608 - constants
            values.append(wanted.state)
        if wanted.before is not None:
            clauses.append("number < %s")
            values.append(wanted.before)
        limit = max(0, min(wanted.limit, MAX_PAGE))
        return self._rows(f"{' AND '.join(clauses)} ORDER BY number DESC LIMIT {limit}", *values)

    def change(self, number: int, **columns: Any) -> None:
        """Set columns of a row."""
        names: list[str] = []
        values: list[Any] = []
        for name, value in columns.items():
            names.append(f"{name} = {AT_LANE if name == 'lane' else '%s'}")
            if name == "lane":
                values += self._lane(value)
            else:
                values.append(storable(value) if isinstance(value, str) else value)
        statement = _CHANGE if columns.keys() & PLACED else "UPDATE task SET {} WHERE number = %s"
        self._tx.later(statement.format(", ".join(names)), (*values, number))

    def take(self, numbers: Sequence[int], bot: str, now: float, ties: int) -> list[Task]:
        """Start rows; return them in the order of their numbers' list, arguments included."""
        statement, which = (TAKE, list(numbers)) if len(numbers) > 1 else (TAKE_ONE, numbers[0])
        rows = {row[0]: Task(*row) for row in self._tx.rows(statement, (bot, which, bot, now, ties, which))}
        if len(rows) != len(numbers):
            raise InternalError("a task that is to start is not ready any more")
        return [rows[number] for number in numbers]

    def finish(self, bot: str, run: int, numbers: Sequence[int], now: float) -> list[Done]:
        """End those of the rows well that a bot holds in this run, with no ties but `LOOSE` ones."""
        found = {row[0]: Done(*row) for row in self._tx.rows(FINISH, (list(numbers), bot, run, now))}
        return [found[number] for number in numbers if number in found]

    def keep(self, results: Sequence[tuple[int, bytes]]) -> None:
        """Write results of rows."""
        last = dict(results)
        self._tx.later(KEEP, (list(last), list(last.values())), apart=True)
