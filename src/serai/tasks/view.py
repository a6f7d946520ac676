"""A task as people and programs see it, whichever entrance they come by."""

from __future__ import annotations

from typing import Any

import msgspec

from serai.store.tasks import State, StoryLine, Task


class TaskView(msgspec.Struct, frozen=True, kw_only=True):
    """A task; times in seconds since the epoch, 0 for «not yet», ``deadline`` in seconds of run time.

    ``wait`` says why a task in to_do does not run; ``arguments`` and ``result`` are null in lists.
    """

    number: int
    id: str
    function: str
    tenant: str
    app: str
    queue: str
    channel: str
    provider: str
    priority: int
    key: str
    parent: str
    who: str
    created: float
    not_before: float
    expires: float
    deadline: float
    retries: int
    started: float
    finished: float
    state: State
    wait: str
    run: int
    failures: int
    lost: int
    awaits: int
    bot: str
    progress: float
    sentence: str
    error: dict[str, Any] | None
    arguments: dict[str, Any] | None = None
    result: Any = None


class TaskPage(msgspec.Struct, frozen=True):
    """Tasks, newest first; ``next`` goes into ``before`` of the next page, 0 on the last."""

    items: list[TaskView]
    next: int = 0


class Step(msgspec.Struct, frozen=True):
    """One transition: when, by whom, from and to which state, why."""

    at: float
    who: str
    old: str
    new: str
    why: str


class Story(msgspec.Struct, frozen=True):
    """All transitions, oldest first."""

    items: list[Step]


_PLAIN = tuple(name for name in TaskView.__struct_fields__ if name not in {"error", "arguments", "result"})


def view(task: Task, *, whole: bool = False) -> TaskView:
    """Return a task as it is shown; a trace of our own code is for the log, not for the asker."""
    plain = {name: getattr(task, name) for name in _PLAIN}
    error = {key: value for key, value in (task.error or {}).items() if key != "trace"} or None
    arguments = task.arguments if whole else None
    return TaskView(**plain, error=error, arguments=arguments, result=task.result if whole else None)


def page(found: list[Task], limit: int) -> TaskPage:
    """Return a page of a list that was asked for ``limit`` tasks."""
    return TaskPage([view(task) for task in found], found[-1].number if len(found) == limit else 0)


def steps(lines: list[StoryLine]) -> Story:
    """Return a story as it is shown."""
    return Story([Step(one.at, one.who, one.old, one.new, one.why) for one in lines])
