"""Insert tasks."""

from __future__ import annotations

import uuid

from serai.store.contract import NewTask


def insert(state: dict[str, object], task: NewTask, *, who: str, now: float) -> str:
    """Insert a task."""
    identity = task.id or uuid.uuid4().hex
    state[identity] = (task, who, now)
    return identity
