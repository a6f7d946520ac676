"""Tasks as they go: waiting for one, and streams of its states and lines."""

from __future__ import annotations

import asyncio
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


async def wait(tasks: Tasks, task: Task, seconds: float, leaving: asyncio.Event) -> Task:
    """Return a task once it is over, or as it is after so many seconds, or when we leave: who waits asks again."""
    if task.state in FINAL or leaving.is_set():
        return task
    over = asyncio.ensure_future(tasks.wait(task.id, seconds))
    left = asyncio.ensure_future(leaving.wait())
    try:
        await asyncio.wait({over, left}, return_when=asyncio.FIRST_COMPLETED)
        with contextlib.suppress(DeadlineError):
            return over.result() if over.done() else await tasks.get(task.id)
        return await tasks.get(task.id)
    finally:
        over.cancel()
        left.cancel()
        await asyncio.wait({over, left})


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
