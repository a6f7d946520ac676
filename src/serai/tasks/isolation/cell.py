"""The process in which an isolated function runs."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import select
import socket
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn, cast

import msgspec

from serai.errors import UnsupportedError
from serai.store.tasks_rules import encode
from serai.tasks import outcome
from serai.tasks.context import House, TaskContext
from serai.tasks.function import TaskFunction, resolve
from serai.tasks.isolation.frames import Request, Said, pack, receive
from serai.tasks.timing import Clock, SystemClock

_FLUSH = 0.2  # seconds between telling what a function reports


class Alone:
    """The house of an isolated function."""

    def __init__(self, resources: Mapping[str, str]) -> None:
        self.clock: Clock = SystemClock()
        self.resources = resources

    def __getattr__(self, name: str) -> NoReturn:
        """Refuse what it has not."""
        raise UnsupportedError(f"An isolated function has no {name}: it computes, reports, and returns.")


class Cell:
    """One run: the function on the main thread, and one thread that hears the bot and tells it what is reported."""

    def __init__(self, sock: socket.socket, request: Request) -> None:
        self.ctx = TaskContext(request.task, cast(House, Alone(request.resources)))
        self._sock = sock
        self._request = request
        self._sending = threading.Lock()
        self._ended = False
        self._cancel: Any = None  # how to reach an async function

    def run(self) -> None:
        """Run the function, and say how it ended."""
        sys.stdout = sys.stderr = cast(Any, Printed(self.ctx))
        threading.Thread(target=self._listen, daemon=True).start()
        try:
            said = Said(done=self._call())
        except asyncio.CancelledError:
            said = Said(canceled=True)
        except Exception as error:  # noqa: BLE001 - it is the task's
            said = Said(failed=outcome.describe(error))
        except BaseException as error:  # noqa: BLE001 - SystemExit and the like
            said = Said(failed=outcome.describe(outcome.escaped(error)))
        self._ended = True
        self._tell()
        self._send(said)

    def _call(self) -> bytes:
        function = self._load()
        arguments = function.decode(self._request.task.payload)
        result = function.run(self.ctx, arguments)
        if asyncio.iscoroutine(result):
            result = asyncio.run(self._await(result))
        return b"" if result is None else encode(result, "result")

    def _load(self) -> TaskFunction:
        try:
            return resolve(self._request.task.function, self._request.function)
        except BaseException as error:
            raise outcome.not_loaded(self._request.task, error) from error

    async def _await(self, running: Any) -> Any:
        loop, job = asyncio.get_running_loop(), asyncio.current_task()
        if job is None:
            raise RuntimeError("no task")
        self._cancel = lambda: loop.call_soon_threadsafe(job.cancel)
        self.ctx.checkpoint()
        return await running

    def _listen(self) -> None:
        while not self._ended:
            readable, _, _ = select.select([self._sock], [], [], _FLUSH)
            if readable:
                if receive(self._sock) is None:
                    os._exit(1)  # the bot is gone
                self.ctx.canceling = True
                if self._cancel:
                    self._cancel()
            self._tell()

    def _tell(self) -> None:
        note = self.ctx.take_note()
        if note is None:
            return
        progress = None if note.progress is None else (note.progress, note.sentence)
        self._send(Said(lines=[text for _, text in note.lines], progress=progress))

    def _send(self, said: Said) -> None:
        with self._sending:
            self._sock.sendall(pack(said))


class Printed:
    """What a function prints becomes lines of its task's log."""

    def __init__(self, ctx: TaskContext) -> None:
        self._ctx = ctx
        self._rest = ""

    def write(self, text: str) -> int:
        """Take text; whole lines are logged."""
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            self._ctx.log(line)
        self._rest = self._rest[-65536:]
        return len(text)

    def flush(self) -> None:
        """Do nothing: a line is told when it is whole."""


def main(data: int) -> None:
    """Read the request, run it, and end without anything that the function left to be done at exit."""
    with socket.socket(fileno=data) as sock:
        payload = receive(sock)
        if payload is None:
            return
        request = msgspec.msgpack.decode(payload, type=Request)
        sys.path[:] = request.path
        _limit(request.memory)
        Cell(sock, request).run()
        os._exit(0)


def _limit(memory: int) -> None:
    resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError):  # where there is no /proc
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
