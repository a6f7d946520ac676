"""All statements together."""

from __future__ import annotations

from collections.abc import Sequence

from serai.store.cluster.tasks.gates import GateTable
from serai.store.cluster.tasks.lanes import OPEN, LaneTable
from serai.store.cluster.tasks.people import BEAT, LOOK, PeopleTables
from serai.store.cluster.tasks.rows import FINISH, RowTable
from serai.store.cluster.tasks.traces import TraceTables
from serai.store.cluster.tasks.waits import TO_CANCEL, WaitTables
from serai.store.cluster.tx import Tx
from serai.store.taskrows import Rows
from serai.store.taskrows.claim import width
from serai.store.taskrows.run import plain
from serai.store.tasks import MAX_SKIP, Exchange, Finish, Want


class ClusterShelf(RowTable, WaitTables, LaneTable, GateTable, TraceTables, PeopleTables):
    """`serai.store.taskrows.shelf.Shelf` over a transaction."""


class ClusterRows(Rows[Tx]):
    """Ask ahead what bots always ask: nearly every exchange then takes three messages to and fro, a beat two."""

    def beat(self, tx: Tx, bot: str) -> list[int]:
        """Tell that a bot lives; return the numbers of its tasks that are to be cancelled."""
        tx.lock_tasks()
        tx.foresee(BEAT, (bot,), sure=True)
        tx.foresee(TO_CANCEL, (bot,))
        return super().beat(tx, bot)

    def exchange(self, tx: Tx, bot: str, finishes: Sequence[Finish], want: Want, *, now: float) -> Exchange:
        """Acknowledge what is over and claim what comes next, in one transaction."""
        tx.lock_tasks()
        tx.places = want.slots + want.batch
        tx.spare = MAX_SKIP + want.slots if want.slots and want.batch else 0
        tx.foresee(LOOK, (bot,))
        for run, numbers in plain(finishes).items():
            tx.foresee(FINISH, (numbers, bot, run, now), sure=True)
        for queue in want.queues if tx.places else ():
            tx.foresee(OPEN, tx.look_at(queue, width(tx.places)))
        return super().exchange(tx, bot, finishes, want, now=now)


ROWS: Rows[Tx] = ClusterRows(ClusterShelf)
