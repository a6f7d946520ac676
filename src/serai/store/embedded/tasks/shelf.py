"""All statements together."""

from __future__ import annotations

import sqlite3

from serai.store.embedded.tasks.counts import CountTable
from serai.store.embedded.tasks.gates import GateTable
from serai.store.embedded.tasks.lanes import LaneTable
from serai.store.embedded.tasks.people import PeopleTables
from serai.store.embedded.tasks.rows import RowTable
from serai.store.embedded.tasks.traces import TraceTables
from serai.store.embedded.tasks.waits import WaitTables
from serai.store.taskrows import Rows


class SqliteShelf(RowTable, WaitTables, LaneTable, GateTable, TraceTables, PeopleTables, CountTable):
    """`serai.store.taskrows.shelf.Shelf` over a cursor."""


ROWS: Rows[sqlite3.Cursor] = Rows(SqliteShelf)
