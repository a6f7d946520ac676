"""What is done with rows of tasks, written once for all engines: `Rows` is `serai.store.tasks.TaskRows`.

Here belong what a move means and what follows from it, who is next, and what holds tasks back; statements do not: an
engine brings them as a `serai.store.taskrows.shelf.Shelf`. Nor does when a bot is dead or a run is repeated: that is
in `serai.tasks`.
"""

from serai.store.taskrows.rows import Rows

__all__ = ["Rows"]
