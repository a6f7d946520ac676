"""Insert tasks."""

from __future__ import annotations

from serai.errors import AlreadyExistsError
from serai.store.contract import NewTask
from serai.store.memory.tasks.table import Entry, table
from serai.store.tasks import StoryLine, Task
from serai.store.tasks_rules import arguments_of, new_id


def insert(state: dict[str, object], task: NewTask, *, who: str, now: float) -> str:
    """Insert a task, or find the one with the same tenant and key; return its id."""
    rows = table(state)
    payload = arguments_of(task)
    if task.key:
        for entry in rows.entries.values():
            if (entry.task.tenant, entry.task.key) == (task.tenant, task.key):
                return entry.task.id
    if task.id in rows.numbers:
        raise AlreadyExistsError(f"There is a task {task.id}.", id=task.id)
    behind = bool(task.channel) and bool(rows.live(task.channel))
    rows.last += 1
    given = {field: getattr(task, field) for field in task.__struct_fields__ if field not in {"arguments", "id"}}
    fresh = Task(
        **given,
        id=task.id or new_id(now),
        number=rows.last,
        who=who,
        created=now,
        state="to_do",
        wait="channel",
        run=0,
        failures=0,
        lost=0,
        bot="",
        progress=0.0,
        sentence="",
        started=0.0,
        finished=0.0,
        payload=payload,
    )
    entry = rows.entries[fresh.number] = Entry(task=fresh, story=[StoryLine(now, who, "", "to_do", "")])
    rows.numbers[fresh.id] = fresh.number
    if not behind:
        rows.await_run(entry, now)
    return fresh.id
