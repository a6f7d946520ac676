"""What tasks leave behind: stories and logs; and forgetting all of it."""

from __future__ import annotations

from collections.abc import Sequence

from serai.store.embedded.tasks.table import Table
from serai.store.tasks import MAX_LOG_LINES, LogLine, StoryLine

_TELL = """
INSERT INTO task_story (task, step, at, who, old, new, why)
VALUES (?1, 1 + coalesce((SELECT max(step) FROM task_story WHERE task = ?1), 0), ?2, ?3, ?4, ?5, ?6)
"""
_TABLES = (("task_log", "task"), ("task_story", "task"), ("task_payload", "task"), ("task_after", "task"))


class TraceTables(Table):
    """The tables ``task_story`` and ``task_log``."""

    def tell(self, number: int, lines: Sequence[StoryLine]) -> None:
        """Write lines to the end of a story."""
        rows = [(number, line.at, line.who, line.old, line.new, line.why) for line in lines]
        self._cursor.executemany(_TELL, rows)

    def told(self, number: int) -> list[StoryLine]:
        """Return the lines of a story that were written, oldest first."""
        sql = "SELECT at, who, old, new, why FROM task_story WHERE task = ? ORDER BY step"
        return [StoryLine(*row) for row in self._cursor.execute(sql, (number,)).fetchall()]

    def log(self, number: int, lines: Sequence[tuple[float, str]]) -> None:
        """Write log lines, and drop the oldest beyond `MAX_LOG_LINES`."""
        line = int(self._one("SELECT lines FROM task WHERE number = ?", number))
        rows = [(number, line + index, at, text) for index, (at, text) in enumerate(lines, 1)]
        self._cursor.executemany("INSERT INTO task_log (task, line, at, text) VALUES (?, ?, ?, ?)", rows)
        last = line + len(rows)
        self._cursor.execute("UPDATE task SET lines = ? WHERE number = ?", (last, number))
        self._cursor.execute("DELETE FROM task_log WHERE task = ? AND line <= ?", (number, last - MAX_LOG_LINES))

    def logged(self, number: int, after: int) -> list[LogLine]:
        """Return log lines greater than ``after``."""
        sql = "SELECT line, at, text FROM task_log WHERE task = ? AND line > ? ORDER BY line"
        return [LogLine(*row) for row in self._cursor.execute(sql, (number, after)).fetchall()]

    def forget(self, after: int, before: float, limit: int) -> int:
        """Look at ``limit`` tasks past a number and delete those finished before a time, with all their traces."""
        rows = self._cursor.execute(
            "SELECT number, finished FROM task WHERE number > ? ORDER BY number LIMIT ?", (after, limit)
        ).fetchall()
        old = [(number,) for number, finished in rows if 0 < finished < before]
        for table, column in (*_TABLES, ("task_after", "first"), ("task", "number")):
            self._cursor.executemany(f"DELETE FROM {table} WHERE {column} = ?", old)  # noqa: S608 - constants
        return int(rows[-1][0]) if len(rows) == limit else 0
