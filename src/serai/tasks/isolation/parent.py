"""The bot's side of isolated functions."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from typing import Any

import msgspec

from serai.errors import InternalError, UnavailableError
from serai.store.tasks import MAX_PAYLOAD
from serai.tasks import outcome
from serai.tasks.context import House, TaskContext
from serai.tasks.function import TaskFunction
from serai.tasks.isolation.frames import LENGTH, MAX_FRAME, Request, Said, Stop, pack
from serai.tasks.isolation.warden import BY_SIGNAL

_END = 5.0  # seconds for the nursery to end


class Nursery:
    """Run functions in processes of their own; the first one starts the process that forks them."""

    def __init__(self, house: House, *, stop: float) -> None:
        self._resources = {
            name: str(value) for name, value in house.resources.items() if isinstance(value, str | os.PathLike)
        }
        self._stop = stop
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None

    def begin(self, function: TaskFunction, ctx: TaskContext) -> asyncio.Future[Any]:
        """Start a run. Cancelled, it tells the function, and kills it where that does not help: `KilledError`."""
        request = Request(
            task=ctx.task,
            function=function.path,
            memory=function.memory,
            path=sys.path,
            resources=self._resources,
        )
        data, status = self._fork()
        return asyncio.ensure_future(_Child(ctx, data, status, self._stop).run(request))

    async def close(self) -> None:
        """End the nursery, and with it all that it forked."""
        if self._control and self._process:
            self._control.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                await asyncio.to_thread(self._process.wait, _END)
            self._process.kill()
            self._process.wait()
        self._control = self._process = None

    def _fork(self) -> tuple[socket.socket, socket.socket]:
        if self._process is None or self._control is None or self._process.poll() is not None:
            self._control, self._process = self._start()
        data, their_data = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        status, their_status = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with their_data, their_status:
            try:
                socket.send_fds(self._control, [b"run"], [their_data.fileno(), their_status.fileno()])
            except OSError as error:
                data.close()
                status.close()
                raise UnavailableError(f"No process for the function: {error.strerror}.") from error
        data.setblocking(False)
        status.setblocking(False)
        return data, status

    def _start(self) -> tuple[socket.socket, subprocess.Popen[bytes]]:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        with theirs:
            number = theirs.fileno()
            argv = [sys.executable, "-m", "serai.tasks.isolation.nursery", str(number), str(os.getpid())]
            process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, pass_fds=(number,))
        return ours, process


class _Child:
    """One run's process, seen from the bot."""

    def __init__(self, ctx: TaskContext, data: socket.socket, status: socket.socket, stop: float) -> None:
        self._ctx = ctx
        self._data = data
        self._status = status
        self._stop_seconds = stop
        self._handle: int | None = None  # kills it
        self._code = 0
        self._last: Said | None = None
        self._killed = False

    async def run(self, request: Request) -> Any:
        reader, writer = await asyncio.open_connection(sock=self._data, limit=MAX_FRAME)
        living = asyncio.create_task(self._live(reader))
        try:
            writer.write(pack(request))
            try:
                await asyncio.shield(living)
            except asyncio.CancelledError:
                await self._halt(writer, living)
            return self._result()
        finally:
            if not living.done():  # only where the bot itself is torn down
                self._kill()
                living.cancel()
            writer.close()
            self._status.close()
            if self._handle is not None:
                os.close(self._handle)

    async def _halt(self, writer: asyncio.StreamWriter, living: asyncio.Task[None]) -> None:
        with contextlib.suppress(ConnectionError):
            writer.write(pack(Stop()))
        await asyncio.wait({living}, timeout=self._stop_seconds)
        self._killed = not living.done()
        self._kill()
        await living

    def _kill(self) -> None:
        if self._handle is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._handle, signal.SIGKILL)

    async def _live(self, reader: asyncio.StreamReader) -> None:
        """Listen until all processes of the run are dead."""
        hearing = asyncio.create_task(self._hear(reader))
        while message := await self._next_status():
            if message.isdigit():
                self._code = int(message)
        # What was sent before they died is here by now; a process that still holds the socket can't be one of them.
        await asyncio.wait({hearing}, timeout=1.0)
        hearing.cancel()

    async def _next_status(self) -> bytes:
        loop, ready = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(self._status, ready.set)
        try:
            await ready.wait()
        finally:
            loop.remove_reader(self._status)
        try:
            message, handles, _, _ = socket.recv_fds(self._status, 64, 1)
        except ConnectionError:
            return b""
        if handles:
            self._handle = handles[0]
            if self._killed:  # its time was over before there was anything to kill
                self._kill()
        return message

    async def _hear(self, reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, msgspec.DecodeError, UnicodeDecodeError):
            while True:
                (length,) = LENGTH.unpack(await reader.readexactly(LENGTH.size))
                if length > MAX_FRAME:
                    return
                said = msgspec.msgpack.decode(await reader.readexactly(length), type=Said)
                for line in said.lines:
                    self._ctx.log(line)
                if said.progress:
                    self._ctx.progress(*said.progress)
                if said.canceled or said.failed is not None or said.done is not None:
                    self._last = said

    def _result(self) -> Any:
        last = self._last
        if last is None:
            if self._killed:
                raise outcome.KilledError(f"it did not stop within {self._stop_seconds:g} s; it was killed")
            raise InternalError(f"The function's process ended before the function did: {_how(self._code)}.")
        if last.failed is not None:
            raise outcome.FailedError({"code": "internal", "public": "", "trace": "", **last.failed})
        if last.canceled:
            raise asyncio.CancelledError
        if last.done is None or len(last.done) > MAX_PAYLOAD:
            raise InternalError("The function's process sent no result.")
        return msgspec.msgpack.decode(last.done) if last.done else None


def _how(code: int) -> str:
    if code > BY_SIGNAL:
        with contextlib.suppress(ValueError):
            return f"killed by {signal.Signals(code - BY_SIGNAL).name}"
    return f"exit code {code}"
