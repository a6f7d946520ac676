"""The rows of tasks in memory: what statements are elsewhere, by plain scans (`serai.store.taskrows.shelf.Shelf`)."""

from serai.store.memory.tasks.shelf import ROWS

__all__ = ["ROWS"]
