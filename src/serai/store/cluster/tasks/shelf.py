"""All statements together."""

from __future__ import annotations

from collections.abc import Sequence

from serai.store.cluster.tasks.counts import ALL_WAITING, WAITING, CountTable
from serai.store.cluster.tasks.gates import GateTable
from serai.store.cluster.tasks.lanes import DROP, DROP_EMPTY, DROP_ONE, MOVE, OPEN, OPEN_SHARED, PUT_TIME, LaneTable
from serai.store.cluster.tasks.people import BEAT, LOOK, PeopleTables
from serai.store.cluster.tasks.rows import FINISH, KEEP, TAKE, TAKE_FIRST, TAKE_ONE, RowTable
from serai.store.cluster.tasks.traces import TraceTables
from serai.store.cluster.tasks.waits import TO_CANCEL, WaitTables
from serai.store.cluster.tx import AloneError, Tx
from serai.store.contract import Allowance, NewTask
from serai.store.taskrows import Rows
from serai.store.taskrows.claim import width
from serai.store.taskrows.run import plain
from serai.store.tasks import MAX_SKIP, Exchange, Finish, Task, Want


class ClusterShelf(RowTable, WaitTables, LaneTable, GateTable, TraceTables, PeopleTables, CountTable):
    """`serai.store.taskrows.shelf.Shelf` over a transaction."""


#: With these, bots move their tasks at the same time: each writes what it holds or has just locked, and adds to times.
#: All else that an exchange may need, be it a channel's next task, a limit, a retry or what is due, is a matter of what
#: the others do, and wants the tasks for itself.
SHARED = frozenset(
    {LOOK, BEAT, TO_CANCEL, FINISH, KEEP, OPEN_SHARED, TAKE, TAKE_ONE, TAKE_FIRST, MOVE, PUT_TIME}
    | {DROP, DROP_ONE, DROP_EMPTY}
)


class ClusterRows(Rows[Tx]):
    """Ask ahead what bots always ask: nearly every exchange then takes three messages to and fro, a beat two.

    An idle bot that finds a single task takes it with one; where it finds several, it learned that by one more.

    Exchanges share the tasks where they can, so that bots claim from one queue at once and none waits for another's
    answers: `FOR UPDATE SKIP LOCKED` on the tasks, not on their lanes, since one tenant's may be all there are.
    """

    def insert_all(
        self, tx: Tx, tasks: Sequence[NewTask], *, who: str, now: float, allowances: Sequence[Allowance] = ()
    ) -> list[str]:
        """Insert tasks in this order, like `insert`; return their ids."""
        if allowances:
            tx.lock_tasks()
        for one in allowances:
            tx.foresee(*((WAITING, (one.tenant, one.app)) if one.app else (ALL_WAITING, (one.tenant,))))
        return super().insert_all(tx, tasks, who=who, now=now, allowances=allowances)

    def beat(self, tx: Tx, bot: str) -> list[int]:
        """Tell that a bot lives; return the numbers of its tasks that are to be cancelled."""
        tx.share_tasks(SHARED)
        tx.foresee(BEAT, (bot,), sure=True)
        tx.foresee(TO_CANCEL, (bot,))
        return super().beat(tx, bot)

    def exchange(self, tx: Tx, bot: str, finishes: Sequence[Finish], want: Want, *, now: float) -> Exchange:
        """Acknowledge what is over and claim what comes next, in one transaction."""
        if tx.fresh and not finishes and not want.known and (taken := _take_first(tx, bot, want, now)):
            return taken
        tx.share_tasks(SHARED)
        tx.places = want.slots + want.batch
        tx.spare = MAX_SKIP + want.slots if want.slots and want.batch else 0
        tx.lanes_seen = 0
        tx.foresee(LOOK, (bot,))
        for run, numbers in plain(finishes).items():
            tx.foresee(FINISH, (numbers, bot, run, now), sure=True)
        for queue in want.queues if tx.places else ():
            tx.foresee(OPEN_SHARED if tx.shares else OPEN, tx.look_at(queue, width(tx.places)))
        done = super().exchange(tx, bot, finishes, want, now=now)
        if tx.shares and tx.lanes_seen and not done.claimed:
            raise AloneError  # perhaps somebody holds what is left, and will not take all of it
        if tx.emptied:
            tx.later(*((DROP, (list(tx.emptied),)) if len(tx.emptied) > 1 else (DROP_ONE, (tx.emptied[0],))))
            tx.emptied.clear()
            tx.sure.clear()
        return done


def _take_first(tx: Tx, bot: str, want: Want, now: float) -> Exchange | None:
    """Claim one task with one message to and fro, where there is nothing to decide."""
    if len(want.queues) != 1 or not (want.slots or want.batch):
        return None
    tx.share_tasks(SHARED)
    [queue] = want.queues
    values = {"bot": bot, "queue": queue, "now": now, "short": sorted(want.short)}
    found = tx.conclude(TAKE_FIRST, values | {"slots": want.slots, "batch": want.batch}, DROP_EMPTY, (queue,))
    return Exchange([Task(*found[0][1:])], [], found[0][0]) if found else None


ROWS: Rows[Tx] = ClusterRows(ClusterShelf)
