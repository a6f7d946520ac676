"""Tasks as they go: waiting for one, and streams of its states and lines."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import msgspec

from serai.bus import Bus
from serai.errors import DeadlineError
from serai.services.apps.running.wishes import Owner
from serai.store.tasks import FINAL, Task
from serai.tasks import Tasks
from serai.tasks.follow import one
from serai.tasks.view import view


async def wait(tasks: Tasks, task: Task, seconds: float) -> Task:
    """Return a task once it is over, or as it is after so many seconds."""
    if task.state in FINAL:
        return task
    with contextlib.suppress(DeadlineError):
        return await tasks.wait(task.id, seconds)
    return await tasks.get(task.id)


async def states(tasks: Tasks, task: str, own: Owner) -> AsyncIterator[bytes]:
    """Yield a task as a JSON line, now and at each change, until it is over."""
    async with contextlib.aclosing(tasks.follow(task)) as changes:
        async for each in changes:
            yield _shown(each, own) + b"\n"


async def events(tasks: Tasks, bus: Bus, task: str, own: Owner) -> AsyncIterator[bytes]:
    """Yield a task's states and log lines as server-sent events, until it is over."""
    async with contextlib.aclosing(one(tasks, bus, task)) as news:
        async for each in news:
            for line in each.lines:
                yield b"event: line\ndata: %b\n\n" % msgspec.json.encode(line)
            yield b"event: task\ndata: %b\n\n" % _shown(each.task, own)


async def log_lines(tasks: Tasks, bus: Bus, task: str, after: int, *, forever: bool) -> AsyncIterator[bytes]:
    """Yield what a task logged past a line as JSON lines; with ``forever`` until it is over."""
    if not forever:
        for line in await tasks.log(task, after):
            yield msgspec.json.encode(line) + b"\n"
        return
    async with contextlib.aclosing(one(tasks, bus, task, after)) as news:
        async for each in news:
            for line in each.lines:
                yield msgspec.json.encode(line) + b"\n"


def _shown(task: Task, own: Owner) -> bytes:
    shown = view(task)
    plain = msgspec.structs.replace(
        shown, channel=own.plain(shown.channel), provider=own.plain(shown.provider), key=own.plain(shown.key)
    )
    return msgspec.json.encode(plain)
