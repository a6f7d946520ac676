"""All that is asked of tasks, over the statements of an engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import msgspec

from serai.errors import ConflictError, NotFoundError
from serai.store.contract import Allowance, Holding, NewTask
from serai.store.driver import Batch
from serai.store.taskrows import control, run
from serai.store.taskrows.desk import RUNNING, Desk
from serai.store.taskrows.insert import insert, refuse
from serai.store.taskrows.shelf import Shelf
from serai.store.taskrows.story import unwritten
from serai.store.tasks import (
    MAX_RESULTS,
    BotRow,
    Ended,
    Exchange,
    Filter,
    Finish,
    Limit,
    LogLine,
    Miscount,
    Note,
    Pause,
    Provider,
    Rule,
    Scope,
    State,
    StoryLine,
    Task,
    Want,
)

Tx = TypeVar("Tx")


class Rows(Generic[Tx]):
    """`serai.store.tasks.TaskRows`; ``shelf`` makes an engine's statements for a transaction."""

    def __init__(self, shelf: Callable[[Tx], Shelf]) -> None:
        self._shelf = shelf

    def insert(self, tx: Tx, task: NewTask, *, who: str, now: float, allowances: Sequence[Allowance] = ()) -> str:
        """Insert a task, or find the one with the same tenant and key; return its id."""
        return self.insert_all(tx, (task,), who=who, now=now, allowances=allowances)[0]

    def insert_all(
        self, tx: Tx, tasks: Sequence[NewTask], *, who: str, now: float, allowances: Sequence[Allowance] = ()
    ) -> list[str]:
        """Insert tasks in this order, like `insert`; return their ids."""
        desk = self._desk(tx, now)
        inserted = [insert(desk, task, who=who, allowances=allowances) for task in tasks]
        desk.close(who)
        return inserted

    def apply(self, tx: Tx, batch: Batch) -> list[str]:
        """Do what a transaction says of tasks: insert, then hold; return the ids of those that were inserted."""
        new = [operation for operation in batch.operations if isinstance(operation, NewTask)]
        inserted = self.insert_all(tx, new, who=batch.who, now=batch.when, allowances=batch.allowances) if new else []
        for operation in batch.operations:
            if isinstance(operation, Holding):
                self.hold(tx, operation, who=batch.who, why=batch.why)
        return inserted

    def refuse(self, tx: Tx, task: NewTask, *, who: str, why: str, now: float) -> str:
        """Insert a task that ends in error before it begins, unless one holds its key; return its id."""
        desk = self._desk(tx, now)
        refused = refuse(desk, task, who=who, why=why)
        desk.close(who)
        return refused

    def get(self, tx: Tx, task: str) -> Task:
        """Return one task, arguments and result included."""
        desk = self._desk(tx, 0.0)
        found = desk.shelf.whole(self._number(desk, task))
        if found is None:
            raise NotFoundError(f"There is no task {task}.", task=task)
        return _shown(desk, found)

    def find(self, tx: Tx, wanted: Filter) -> list[Task]:
        """List tasks, newest first."""
        desk = self._desk(tx, 0.0)
        return [_shown(desk, task) for task in desk.shelf.find(wanted)]

    def waiting(self, tx: Tx, tenant: str, app: str, most: int) -> int:
        """Count the tasks in to_do of an app, or with "" of all apps of a tenant; stop at ``most``."""
        return min(most, self._shelf(tx).waiting(tenant, app))

    def miscounted(self, tx: Tx) -> list[Miscount]:
        """Look at all tasks in to_do; return of which apps what was counted is not what there is."""
        return self._shelf(tx).miscounted()

    def recount(self, tx: Tx, found: Sequence[Miscount]) -> None:
        """Set right what was miscounted, where nobody did meanwhile."""
        self._shelf(tx).recount(found)

    def story(self, tx: Tx, task: str) -> list[StoryLine]:
        """Return all transitions, oldest first."""
        desk = self._desk(tx, 0.0)
        row = self._row(desk, task)
        told = desk.shelf.told(row.number)
        return told + unwritten(row, told)

    def log(self, tx: Tx, task: str, after: int) -> list[LogLine]:
        """Return the lines that are kept, those greater than ``after``."""
        desk = self._desk(tx, 0.0)
        return desk.shelf.logged(self._number(desk, task), after)

    def results(self, tx: Tx, task: str) -> list[Ended]:
        """Return the tasks that this one comes after, in the order in which it named them."""
        desk = self._desk(tx, 0.0)
        ended, left = [], MAX_RESULTS
        for first in desk.shelf.firsts(self._number(desk, task)):
            left -= len(first.outcome)
            ended.append(first if left >= 0 else msgspec.structs.replace(first, outcome=b""))
        return ended

    def enlist(self, tx: Tx, bot: str, queues: Sequence[str], *, now: float) -> None:
        """Make a bot known, so that it may claim."""
        if not self._shelf(tx).add_bot(bot, queues, now):
            raise ConflictError(f"There is a bot {bot}.", bot=bot)

    def beat(self, tx: Tx, bot: str) -> list[int]:
        """Tell that a bot lives; return the numbers of its tasks that are to be cancelled."""
        desk = self._desk(tx, 0.0)
        run.beat(desk, bot)
        return desk.shelf.to_cancel(bot)

    def exchange(self, tx: Tx, bot: str, finishes: Sequence[Finish], want: Want, *, now: float) -> Exchange:
        """Acknowledge what is over and claim what comes next, in one transaction."""
        return run.exchange(self._desk(tx, now), bot, finishes, want)

    def note(self, tx: Tx, bot: str, notes: Sequence[Note]) -> None:
        """Keep progress and log lines of runs that the bot holds; those of others are dropped."""
        run.note(self._desk(tx, 0.0), bot, notes)

    def bots(self, tx: Tx) -> list[BotRow]:
        """Return the bots that are enlisted, by name."""
        return self._shelf(tx).bots()

    def bury(self, tx: Tx, bot: str, beat: int | None, why: str, *, who: str, now: float) -> list[str]:
        """Strike a bot off and hand its tasks back; return their ids."""
        return run.bury(self._desk(tx, now), bot, beat, why, who=who)

    def cancel(self, tx: Tx, task: str, *, who: str, why: str, now: float) -> State:
        """Cancel what waits, its waiting children included; ask for it where it runs."""
        desk = self._desk(tx, now)
        state = control.cancel(desk, self._row(desk, task), who=who, why=why)
        desk.close(who)
        return state

    def unpark(self, tx: Tx, tenant: str, app: str, *, now: float) -> int:
        """Let tasks of an app go that wait for somebody who knows their function; return how many."""
        return control.unpark(self._desk(tx, now), tenant, app)

    def retry(self, tx: Tx, task: str, *, who: str, why: str, now: float) -> None:
        """Put a task that ended in error or canceled back to to_do, with all its retries."""
        desk = self._desk(tx, now)
        control.retry(desk, self._row(desk, task), who=who, why=why)
        desk.close(who)

    def hold(self, tx: Tx, what: Holding, *, who: str, why: str) -> None:
        """Hold tasks back, or let them go, as an operation of a transaction says."""
        desk = self._desk(tx, what.at)
        control.hold(desk, what, who=who, why=why)
        desk.close(who)

    def pause(self, tx: Tx, channel: str, *, who: str, why: str, now: float) -> None:
        """Start nothing more of a channel; what runs goes on."""
        control.pause(self._desk(tx, now), channel, who=who, why=why)

    def resume(self, tx: Tx, channel: str, *, now: float) -> bool:
        """End a pause; return whether there was one."""
        return control.resume(self._desk(tx, now), channel)

    def pauses(self, tx: Tx) -> list[Pause]:
        """Return the paused channels, by name."""
        return self._shelf(tx).pauses()

    def limit(self, tx: Tx, scope: Scope, name: str, rule: Rule, *, who: str, why: str, now: float) -> None:
        """Set what is allowed at most in a scope; an empty rule ends it."""
        desk = self._desk(tx, now)
        control.limit(desk, scope, name, rule, who=who, why=why)
        desk.close(who)

    def limits(self, tx: Tx) -> list[Limit]:
        """Return the limits in force, by scope and name."""
        desk = self._desk(tx, 0.0)
        gates = [gate for gate in desk.shelf.gates() if gate.most is not None or gate.rate is not None]
        return [gate.limit(control.shown(desk, gate)) for gate in gates]

    def providers(self, tx: Tx) -> list[Provider]:
        """Return the providers that are or were down or have a probe, by name."""
        gates = [gate for gate in self._shelf(tx).gates() if gate.scope == "provider"]
        return [gate.provider() for gate in gates if gate.since or gate.prober]

    def provider_down(self, tx: Tx, name: str, *, who: str, why: str, now: float) -> None:
        """Declare a provider down: nothing is tried until it is declared up."""
        self._declare(tx, name, up=False, who=who, why=why, now=now)

    def provider_up(self, tx: Tx, name: str, *, who: str, why: str, now: float) -> None:
        """Declare a provider up: its tasks resume gradually where it was down."""
        self._declare(tx, name, up=True, who=who, why=why, now=now)

    def provider_probe(self, tx: Tx, name: str, function: str, *, now: float) -> None:
        """Say which function tries whether a provider is up; "" for none."""
        desk = self._desk(tx, now)
        control.set_prober(desk, name, function)
        desk.close("")

    def marks(self, tx: Tx) -> dict[str, float]:
        """Return how far each schedule was dealt with."""
        return self._shelf(tx).marks()

    def mark(self, tx: Tx, schedule: str, at: float | None) -> None:
        """Keep how far a schedule was dealt with; None forgets it."""
        self._shelf(tx).put_mark(schedule, at)

    def forget(self, tx: Tx, after: int, before: float, limit: int) -> int:
        """Look at ``limit`` tasks past a number and delete those finished before a time, with all their traces."""
        return self._shelf(tx).forget(after, before, limit)

    def _desk(self, tx: Tx, now: float) -> Desk:
        return Desk(self._shelf(tx), now)

    def _declare(self, tx: Tx, name: str, *, up: bool, who: str, why: str, now: float) -> None:
        desk = self._desk(tx, now)
        control.declare(desk, name, up=up, who=who, why=why)
        desk.close(who)

    def _number(self, desk: Desk, task: str) -> int:
        number = desk.shelf.number(task)
        if number is None:
            raise NotFoundError(f"There is no task {task}.", task=task)
        return number

    def _row(self, desk: Desk, task: str) -> Task:
        return desk.row(self._number(desk, task))


def _shown(desk: Desk, task: Task) -> Task:
    """Return a task as people see it: a bot that is done with it is in its story only."""
    wait = desk.held_back(task) if task.wait == "ready" else task.wait
    bot = task.bot if task.state in RUNNING else ""
    return msgspec.structs.replace(task, wait=wait, bot=bot) if (wait, bot) != (task.wait, task.bot) else task
