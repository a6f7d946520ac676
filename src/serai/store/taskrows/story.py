"""The story of a task: who moved it, when and why.

A task's ordinary life, inserted, started, done, is in the columns of its row and is not written a second time. Before
anything else happens to it, the lines that those columns stand for are written down.
"""

from __future__ import annotations

from collections.abc import Sequence

from serai.store.tasks import StoryLine, Task


def unwritten(task: Task, told: Sequence[StoryLine]) -> list[StoryLine]:
    """Return the lines that follow those that were written, as the row tells them."""
    lines: list[StoryLine] = []
    last = told[-1].new if told else ""
    if not last:
        lines.append(StoryLine(task.created, task.who, "", "to_do", ""))
        last = "to_do"
    if last == "to_do" and task.state in {"is_processing", "done"}:
        lines.append(StoryLine(task.started, f"bot:{task.bot}", "to_do", "is_processing", ""))
        last = "is_processing"
    if last == "is_processing" and task.state == "done":
        lines.append(StoryLine(task.finished, f"bot:{task.bot}", "is_processing", "done", ""))
    return lines
