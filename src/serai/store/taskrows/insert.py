"""Insert tasks: alone, behind others of a channel, or after tasks that have to end first."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from serai.errors import AlreadyExistsError, NotFoundError
from serai.store.contract import Allowance, NewTask
from serai.store.taskrows.desk import Desk
from serai.store.taskrows.shelf import CHANNEL, PROBE, UNIQUE
from serai.store.tasks import FINAL, Options, Task, Wait
from serai.store.tasks_rules import arguments_of, failure, new_id


def insert(desk: Desk, new: NewTask, *, who: str, allowances: Sequence[Allowance] = ()) -> str:
    """Insert a task, or find the one that holds its key; return its id. `ExhaustedError` where too many wait."""
    payload = arguments_of(new)
    shelf = desk.shelf
    if new.key and (holder := shelf.holder(new.tenant, new.key)):
        return holder
    if new.id and shelf.number(new.id) is not None:
        raise AlreadyExistsError(f"There is a task {new.id}.", id=new.id)
    if allowances:
        desk.counts.demand(new, allowances)
    firsts = [_first(desk, new, before) for before in new.after]
    awaits = sum(first.state not in FINAL for first in firsts)
    wait: Wait = "tasks" if awaits else _wait(desk, new)
    task = _row(new, payload, who=who, now=desk.now, wait=wait, awaits=awaits)
    lane = desk.lane(task) if wait == "ready" else None
    if new.app:
        desk.counts.add(new.tenant, new.app, 1)
    if not firsts:
        shelf.append(task, lane=lane, lock=new.key or None)
        return task.id
    number = shelf.add(task, lane=lane, lock=new.key or None)
    shelf.link(number, [first.number for first in firsts])
    _fail_early(desk, number, firsts, who)
    return task.id


def refuse(desk: Desk, new: NewTask, *, who: str, why: str) -> str:
    """Insert a task that ends in error before it begins, unless one holds its key; return its id."""
    if new.key and (holder := desk.shelf.holder(new.tenant, new.key)):
        return holder
    name = insert(desk, new, who=who)
    number = desk.shelf.number(name)
    if number is not None:
        desk.move(desk.row(number), "error", who=who, why=why, failure=failure("exhausted", why))
    return name


def probe(desk: Desk, function: str, provider: str) -> int:
    """Insert a task that tries whether a provider is up; return its number."""
    new = NewTask(function=function, arguments={"provider": provider}, priority=1000, deadline=60.0)
    task = _row(new, arguments_of(new), who="system", now=desk.now, wait="ready", awaits=0)
    task = msgspec.structs.replace(task, ties=PROBE)
    return desk.shelf.add(task, lane=desk.lane(task), lock=None)


def _first(desk: Desk, new: NewTask, before: str) -> Task:
    number = desk.shelf.number(before)
    first = desk.shelf.task(number) if number is not None else None
    if first is None or first.tenant != new.tenant:
        raise NotFoundError(f"There is no task {before}.", task=before)
    return first


def _wait(desk: Desk, new: NewTask) -> Wait:
    if new.channel and desk.shelf.inside(new.channel) >= desk.window(new.channel):
        return "channel"
    return desk.reason(new.channel, new.not_before)


def _fail_early(desk: Desk, number: int, firsts: list[Task], who: str) -> None:
    bad = [first for first in firsts if first.state in FINAL and first.state != "done"]
    task = desk.row(number)
    if bad and task.chosen.on_error == "fail":
        why = f"the task {bad[0].id} before it ended in {bad[0].state}"
        desk.move(task, "error", who=who, why=why, failure=failure("conflict", why))


def _row(new: NewTask, payload: bytes, *, who: str, now: float, wait: Wait, awaits: int) -> Task:
    ties = (CHANNEL if new.channel else 0) | (UNIQUE if new.key and new.unique != "ever" else 0)
    options = b""
    if new.unique != "ever" or new.on_error != "fail" or new.backoff is not None:
        chosen = Options(unique=new.unique, on_error=new.on_error, backoff=new.backoff)
        options = msgspec.msgpack.encode(chosen)
    return Task(
        0,
        new.id or new_id(now),
        new.function,
        new.tenant,
        new.app,
        new.queue,
        new.channel,
        new.priority,
        new.not_before,
        new.deadline,
        new.retries,
        new.provider,
        new.key,
        new.parent,
        who,
        now,
        "to_do",
        wait,
        0,
        0,
        0,
        "",
        0.0,
        "",
        0.0,
        0.0,
        new.expires,
        awaits,
        ties,
        options,
        b"",
        payload,
    )
