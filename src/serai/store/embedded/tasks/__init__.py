"""The rows of tasks in SQLite: statements over a cursor within an open transaction.

Here belong statements and what keeps them flat in the number of waiting tasks. Here does not belong what they are for:
that is in `serai.store.taskrows`.
"""

from serai.store.embedded.tasks.shelf import ROWS

__all__ = ["ROWS"]
