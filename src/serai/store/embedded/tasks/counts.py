"""How many tasks of applications wait."""

from __future__ import annotations

from collections.abc import Sequence

from serai.store.embedded.tasks.table import Table
from serai.store.tasks import Miscount

_COUNT = """
INSERT INTO task_count (tenant, app, waiting) VALUES (?, ?, ?)
ON CONFLICT DO UPDATE SET waiting = waiting + excluded.waiting
"""
_MISCOUNTED = """
SELECT tenant, app, sum(there) - sum(counted), max(turn) FROM (
    SELECT tenant, app, count(*) AS there, 0 AS counted, 0 AS turn
    FROM task INDEXED BY task_waiting WHERE state = 'to_do' AND app <> '' GROUP BY tenant, app
    UNION ALL SELECT tenant, app, 0, waiting, turn FROM task_count
) GROUP BY tenant, app HAVING sum(there) <> sum(counted) OR sum(there) = 0
ORDER BY 1, 2
"""
_RECOUNT = """
INSERT INTO task_count (tenant, app, waiting, turn) VALUES (?, ?, ?, ? + 1)
ON CONFLICT DO UPDATE SET waiting = waiting + excluded.waiting, turn = excluded.turn WHERE turn = excluded.turn - 1
"""


class CountTable(Table):
    """The table ``task_count``."""

    def waiting(self, tenant: str, app: str) -> int:
        """Return how many rows in to_do were counted of an app, or with "" of all apps of a tenant."""
        if app:
            return self._one("SELECT waiting FROM task_count WHERE tenant = ? AND app = ?", tenant, app) or 0
        return int(self._one("SELECT coalesce(sum(waiting), 0) FROM task_count WHERE tenant = ?", tenant))

    def count(self, changes: Sequence[tuple[str, str, int]]) -> None:
        """Add to what was counted of apps."""
        self._cursor.executemany(_COUNT, changes)

    def miscounted(self) -> list[Miscount]:
        """Look at all rows; return of which apps what was counted is not what there is, and those with nothing."""
        return [Miscount(*row) for row in self._cursor.execute(_MISCOUNTED).fetchall()]

    def recount(self, found: Sequence[Miscount]) -> None:
        """Set right what was miscounted, once; forget what was rightly 0."""
        self._cursor.executemany(_RECOUNT, [(one.tenant, one.app, one.by, one.turn) for one in found if one.by])
        empty = [(one.tenant, one.app) for one in found if not one.by]
        self._cursor.executemany("DELETE FROM task_count WHERE tenant = ? AND app = ? AND waiting = 0", empty)
