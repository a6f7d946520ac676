"""All statements together."""

from __future__ import annotations

from serai.store.cluster.connection import Tx
from serai.store.cluster.tasks.gates import GateTable
from serai.store.cluster.tasks.lanes import LaneTable
from serai.store.cluster.tasks.people import PeopleTables
from serai.store.cluster.tasks.rows import RowTable
from serai.store.cluster.tasks.traces import TraceTables
from serai.store.cluster.tasks.waits import WaitTables
from serai.store.taskrows import Rows


class ClusterShelf(RowTable, WaitTables, LaneTable, GateTable, TraceTables, PeopleTables):
    """`serai.store.taskrows.shelf.Shelf` over a transaction."""


ROWS: Rows[Tx] = Rows(ClusterShelf)
