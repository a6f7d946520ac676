"""The rows of tasks in PostgreSQL: plain functions over a transaction (`serai.store.tasks.TaskRows`).

Here belong statements and what keeps them flat in the number of waiting tasks. Here does not belong when a bot is
dead or a run is repeated: that is in `serai.tasks`.
"""

from __future__ import annotations

from serai.errors import UnsupportedError
from serai.store.cluster.connection import Tx
from serai.store.contract import NewTask


def insert(tx: Tx, task: NewTask, *, who: str, now: float) -> str:
    """Refuse."""
    raise UnsupportedError(
        f"tasks ({task.function}) are not kept in this engine yet", who=who, now=now, closed=tx is None
    )
