"""Functions that nobody should write. Each is isolated: found by module and name in a process of its own."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from pathlib import Path
from typing import Any

from serai.tasks import TaskContext, task

Arguments = dict[str, Any]


@task("double", isolated=True)
def double(ctx: TaskContext, arguments: Arguments) -> int:
    return int(arguments["n"]) * 2


@task("wait", isolated=True)
async def wait(ctx: TaskContext, arguments: Arguments) -> None:
    import asyncio

    ctx.progress(0.25, "waiting")
    try:
        await asyncio.sleep(60)
    finally:
        ctx.log("cleaned up")


@task("count", isolated=True)
def count(ctx: TaskContext, arguments: Arguments) -> None:
    ctx.progress(0.25, "waiting")
    while True:
        ctx.checkpoint()
        time.sleep(0.01)


@task("leave", isolated=True)
def leave(ctx: TaskContext, arguments: Arguments) -> None:
    os._exit(3)


@task("crash", isolated=True)
def crash(ctx: TaskContext, arguments: Arguments) -> None:
    print("about to crash")
    time.sleep(0.3)
    ctypes.string_at(0)


@task("quit", isolated=True)
def quit_(ctx: TaskContext, arguments: Arguments) -> None:
    raise SystemExit("enough")


@task("eat", isolated=True, memory=256 << 20)
def eat(ctx: TaskContext, arguments: Arguments) -> None:
    eaten = []
    while True:
        eaten.append(bytearray(16 << 20))


@task("split", isolated=True)
def split(ctx: TaskContext, arguments: Arguments) -> None:
    """Fork, detach the child from all that could find it, and end."""
    if os.fork():
        os._exit(0)
    os.setsid()
    if os.fork():
        os._exit(0)
    while True:
        with Path(arguments["alive"]).open("a", encoding="ascii") as file:
            file.write("x")
        time.sleep(0.02)


@task("stay", isolated=True)
def stay(ctx: TaskContext, arguments: Arguments) -> None:
    """Never return, whatever comes, nor let the children do."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child = not os.fork()
    ctx.progress(0.25, "waiting")
    while True:
        if child:
            with Path(arguments["alive"]).open("a", encoding="ascii") as file:
                file.write("x")
        time.sleep(0.02)


@task("close", isolated=True)
def close(ctx: TaskContext, arguments: Arguments) -> str:
    os.closerange(0, 256)
    return "closed"


@task("swell", isolated=True)
def swell(ctx: TaskContext, arguments: Arguments) -> Any:
    return object() if arguments.get("object") else "x" * (2 << 20)


@task("chatter", isolated=True)
def chatter(ctx: TaskContext, arguments: Arguments) -> str:
    for number in range(1_000_000):
        ctx.log(f"line {number}")
    return "said it all"


@task("reach", isolated=True)
def reach(ctx: TaskContext, arguments: Arguments) -> Any:
    return [ctx.resources, type(ctx.store)]
