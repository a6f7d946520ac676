"""All of it together."""

from __future__ import annotations

from serai.store.memory.tasks.lanes import LaneTables
from serai.store.memory.tasks.people import PeopleTables
from serai.store.memory.tasks.rows import RowTable
from serai.store.memory.tasks.waits import WaitTables
from serai.store.taskrows import Rows


class MemoryShelf(RowTable, WaitTables, LaneTables, PeopleTables):
    """`serai.store.taskrows.shelf.Shelf` over dictionaries."""


ROWS: Rows[dict[str, object]] = Rows(MemoryShelf)
