"""Tasks that depend on each other: chains and groups, as lists to insert in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from serai.store.contract import NewTask
from serai.store.tasks_rules import new_id


def chain(tasks: Sequence[NewTask]) -> list[NewTask]:
    """Return tasks of which each starts after the one before it; where one does not end well, the rest are errors.

    A function finds the result of the one before it in `serai.tasks.Tasks.results`.
    """
    linked: list[NewTask] = []
    for task in tasks:
        after = (*task.after, linked[-1].id) if linked else task.after
        linked.append(msgspec.structs.replace(_named(task), after=after))
    return linked


def group(tasks: Sequence[NewTask], join: NewTask, *, on_error: Literal["fail", "run"] = "fail") -> list[NewTask]:
    """Return tasks that run side by side, and last the one that runs when all of them are over.

    They become its children: cancelling the join cancels those that wait. ``on_error``: where one of them does not end
    well, the join is an error, or runs anyway.
    """
    joined = _named(join)
    members = [msgspec.structs.replace(_named(task), parent=task.parent or joined.id) for task in tasks]
    after = (*joined.after, *(member.id for member in members))
    return [*members, msgspec.structs.replace(joined, after=after, on_error=on_error)]


def _named(task: NewTask) -> NewTask:
    return task if task.id else msgspec.structs.replace(task, id=new_id())
