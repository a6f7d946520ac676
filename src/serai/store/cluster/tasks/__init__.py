"""The rows of tasks in PostgreSQL: statements within an open transaction.

Here belong statements and what keeps them flat in the number of waiting tasks. Here does not belong what they are for:
that is in `serai.store.taskrows`.
"""

from serai.store.cluster.tasks.shelf import ROWS

__all__ = ["ROWS"]
