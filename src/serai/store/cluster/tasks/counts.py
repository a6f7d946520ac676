"""How many tasks of applications wait."""

from __future__ import annotations

from collections.abc import Sequence

from serai.store.cluster.tasks.table import Table
from serai.store.tasks import Miscount

WAITING = "SELECT waiting FROM task_count WHERE tenant = %s AND app = %s"
ALL_WAITING = "SELECT coalesce(sum(waiting), 0)::bigint FROM task_count WHERE tenant = %s"
_MISCOUNTED = """
SELECT tenant, app, sum(there)::bigint - sum(counted)::bigint, max(turn) FROM (
    SELECT t.tenant, t.app, count(*) AS there, 0 AS counted, 0 AS turn
    FROM task_place p JOIN task t ON t.number = p.number WHERE p.state = 'to_do' AND t.app <> '' GROUP BY 1, 2
    UNION ALL SELECT tenant, app, 0, waiting, turn FROM task_count
) w GROUP BY 1, 2 HAVING sum(there) <> sum(counted) OR sum(there) = 0
ORDER BY 1, 2
"""
_RECOUNT = """
INSERT INTO task_count AS c (tenant, app, waiting, turn) VALUES (%s, %s, %s, %s + 1)
ON CONFLICT (tenant, app) DO UPDATE SET waiting = c.waiting + excluded.waiting, turn = excluded.turn
WHERE c.turn = excluded.turn - 1
"""
_FORGET = "DELETE FROM task_count WHERE tenant = %s AND app = %s AND waiting = 0"


class CountTable(Table):
    """The table ``task_count``. What changes is written with the commit: who moves tasks beside others waits there."""

    def waiting(self, tenant: str, app: str) -> int:
        """Return how many rows in to_do were counted of an app, or with "" of all apps of a tenant."""
        stored = self._one(WAITING, tenant, app) if app else self._one(ALL_WAITING, tenant)
        counted = self._tx.counts.items()
        return int(stored or 0) + sum(by for whose, by in counted if whose[0] == tenant and app in {"", whose[1]})

    def count(self, changes: Sequence[tuple[str, str, int]]) -> None:
        """Add to what was counted of apps."""
        for tenant, app, by in changes:
            self._tx.counts[tenant, app] = self._tx.counts.get((tenant, app), 0) + by

    def miscounted(self) -> list[Miscount]:
        """Look at all rows; return of which apps what was counted is not what there is, and those with nothing."""
        return [Miscount(*row) for row in self._tx.rows(_MISCOUNTED)]

    def recount(self, found: Sequence[Miscount]) -> None:
        """Set right what was miscounted, once; forget what was rightly 0."""
        for one in found:
            if one.by:
                self._tx.later(_RECOUNT, (one.tenant, one.app, one.by, one.turn))
            else:
                self._tx.later(_FORGET, (one.tenant, one.app))
