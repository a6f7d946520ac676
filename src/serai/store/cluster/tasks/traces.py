"""What tasks leave behind: stories and logs; and forgetting all of it."""

from __future__ import annotations

from collections.abc import Sequence

from serai.store.cluster.tasks.table import Table, storable
from serai.store.tasks import MAX_LOG_LINES, LogLine, StoryLine

_TELL = """
INSERT INTO task_story (task, step, at, who, old, new, why)
SELECT %s, n + coalesce((SELECT max(step) FROM task_story WHERE task = %s), 0), at, who, old, new, why
FROM unnest(%s::double precision[], %s::text[], %s::text[], %s::text[], %s::text[])
     WITH ORDINALITY l (at, who, old, new, why, n)
"""
_LOG = """
INSERT INTO task_log (task, line, at, text)
SELECT %s, %s + n, at, text FROM unnest(%s::double precision[], %s::text[]) WITH ORDINALITY l (at, text, n)
"""
_TABLES = (
    ("task_log", "task"),
    ("task_story", "task"),
    ("task_payload", "task"),
    ("task_after", "task"),
    ("task_after", "first"),
    ("task_place", "number"),
    ("task", "number"),
)


class TraceTables(Table):
    """The tables ``task_story`` and ``task_log``."""

    def tell(self, number: int, lines: Sequence[StoryLine]) -> None:
        """Write lines to the end of a story."""
        columns = [[line.at for line in lines]]
        texts = [[storable(getattr(line, name)) for line in lines] for name in ("who", "old", "new", "why")]
        self._tx.later(_TELL, (number, number, *columns, *texts))

    def told(self, number: int) -> list[StoryLine]:
        """Return the lines of a story that were written, oldest first."""
        sql = "SELECT at, who, old, new, why FROM task_story WHERE task = %s ORDER BY step"
        return [StoryLine(*row) for row in self._tx.rows(sql, (number,))]

    def log(self, number: int, lines: Sequence[tuple[float, str]]) -> None:
        """Write log lines, and drop the oldest beyond `MAX_LOG_LINES`."""
        last = int(
            self._one("UPDATE task SET lines = lines + %s WHERE number = %s RETURNING lines", len(lines), number)
        )
        texts = [storable(text) for _, text in lines]
        self._tx.later(_LOG, (number, last - len(lines), [at for at, _ in lines], texts))
        self._tx.later("DELETE FROM task_log WHERE task = %s AND line <= %s", (number, last - MAX_LOG_LINES))

    def logged(self, number: int, after: int) -> list[LogLine]:
        """Return log lines greater than ``after``."""
        sql = "SELECT line, at, text FROM task_log WHERE task = %s AND line > %s ORDER BY line"
        return [LogLine(*row) for row in self._tx.rows(sql, (number, after))]

    def forget(self, after: int, before: float, limit: int) -> int:
        """Look at ``limit`` tasks past a number and delete those finished before a time, with all their traces."""
        rows = self._tx.rows(
            "SELECT number, finished FROM task WHERE number > %s ORDER BY number LIMIT %s", (after, limit)
        )
        old = [number for number, finished in rows if 0 < finished < before]
        for table, column in _TABLES if old else ():
            self._tx.later(f"DELETE FROM {table} WHERE {column} = ANY (%s)", (old,))  # noqa: S608 - constants
        return int(rows[-1][0]) if len(rows) == limit else 0
