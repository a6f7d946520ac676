"""Start a program inside a running workload, and find it again: the agent's side of the shim's `visit`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from serai.cloud.drivers.contract import Entry, Exit, Visit
from serai.cloud.drivers.process import processes, spawn
from serai.cloud.drivers.process.records import read_small

WRITTEN = "visit.json"
SHELL = "a shell"  # as errors name what the driver chooses


async def begin(python: str, config: Mapping[str, Any], entry: Entry, seconds: float) -> Visit:
    """Start it and return when it is executing and written down; where that fails nothing of it is left."""
    talk = spawn.Conversation()
    whole = {
        **config,
        "argv": entry.argv,
        "env": list(entry.env.items()),
        "size": list(entry.size or ()),
        "folder": str(entry.folder),
        "owner": -1 if entry.owner is None else entry.owner,
        "greeting": entry.greeting,
        "idle": entry.idle,
        "detached": entry.detached,
        "seconds": entry.seconds,
    }
    try:
        talk.begin(python, entry.folder, entry.folder / "errors", "visit")
        await talk.configure(whole)
        work = talk.until_running(_nowhere, entry.argv[0] if entry.argv else SHELL)
        running = await spawn.within(seconds, work)
        visit = Visit(pid=running.shim, started=processes.started(running.shim), folder=entry.folder)
        _write(visit)
        await talk.confirm()
    except BaseException:
        talk.release()
        await asyncio.shield(talk.abandon())
        raise
    finally:
        talk.close()
    return visit


def find(folder: Path) -> Sequence[Visit]:
    """Return those that were written down, whether they still run or not."""
    found = []
    for path in sorted(folder.glob(f"*/{WRITTEN}")):
        try:
            pid, started = msgspec.json.decode(read_small(path), type=tuple[int, int])
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
        found.append(Visit(pid=pid, started=started, folder=path.parent))
    return found


def exit_of(visit: Visit) -> Exit:
    """Return how it ended; "lost" where nobody was left to say."""
    try:
        return msgspec.json.decode(read_small(visit.folder / "exit.json"), type=Exit)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Exit(code=-9, reason="lost", when=time.time())


def _write(visit: Visit) -> None:
    new = visit.folder / f"{WRITTEN}.new"
    new.write_bytes(msgspec.json.encode((visit.pid, visit.started)))
    new.rename(visit.folder / WRITTEN)


async def _nowhere(_pid: int) -> None:
    """Connect nothing: it has the workload's network."""
