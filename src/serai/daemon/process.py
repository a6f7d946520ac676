"""A worker as the supervisor sees it: its process, its channel, its state."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Literal

from serai.daemon import linux
from serai.daemon.channel import Channel, Message
from serai.daemon.record import WorkerRecord
from serai.errors import BY_CODE, DeadlineError, InternalError, SeraiError, UnavailableError

State = Literal["starting", "ready", "serving", "draining", "gone"]
#: Seconds over the drain deadline after which a worker is killed.
GRACE = 8.0
#: Seconds that a worker gets which drains without our order.
LEFT = 30.0


class Process:
    """One worker; ``changed`` is called whenever something about it has changed."""

    def __init__(
        self,
        pid: int,
        group: str,
        index: int,
        generation: int,
        channel: socket.socket | None,
        changed: Callable[[Process], None],
    ) -> None:
        self.pid = pid
        self.ticks = linux.start_ticks(pid)
        self.group = group
        self.index = index
        self.generation = generation
        self.state: State = "starting"
        self.status: int | None = None
        self.refusal: SeraiError | None = None
        self.holds: set[str] = set()
        self._changed = changed
        self._loop = asyncio.get_running_loop()
        self._settled = asyncio.Event()  # ready, or never to be
        self.gone = asyncio.Event()
        self._asked: dict[int, asyncio.Future[Message]] = {}
        self._ids = itertools.count(1)
        self._deadline: asyncio.TimerHandle | None = None
        self._pidfd = -1
        self.channel = Channel(channel, self._received, self._silent) if channel is not None else None

    @classmethod
    def found(cls, record: WorkerRecord, channel: socket.socket | None, changed: Callable[[Process], None]) -> Process:
        """Return a worker that an earlier supervisor started; without a channel it is no child of ours."""
        process = cls(record.pid, record.group, record.index, record.generation, channel, changed)
        process.state = "draining" if record.state == "draining" else "serving"
        process.holds = set(record.holds)
        process._settled.set()
        if process.state == "draining":
            process.limit(LEFT)
        if channel is None:
            process._watch()
        return process

    async def ready(self, deadline: float) -> None:
        """Wait until all its modules are provisioned; raise the refusal of the one that isn't."""
        try:
            async with asyncio.timeout(deadline):
                await self._settled.wait()
        except TimeoutError:
            raise DeadlineError(f"A worker of the group {self.group} was not ready in time.") from None
        if self.state != "ready":
            raise self.refusal or InternalError(f"A worker of the group {self.group} died while it started.")

    def serve(self, modules: list[str] | None = None) -> None:
        """Let it serve: all modules of which each worker may run one, or those named, which it ``holds`` then."""
        self.state = "serving"
        self._send({"do": "serve", "modules": modules})

    def drain(self, seconds: float) -> None:
        """Ask it to finish and end; it is killed some time after the deadline."""
        if self.state in {"draining", "gone"}:
            return
        self.state = "draining"
        if self.channel is not None:
            self._send({"do": "drain"})
        else:
            self._signal(signal.SIGTERM)
        self.limit(seconds)

    def limit(self, seconds: float) -> None:
        """Kill it unless it ends in time."""
        self._deadline = self._loop.call_later(seconds + GRACE, self.kill)

    def kill(self) -> None:
        """End it now."""
        self._signal(signal.SIGKILL)

    def ended(self, status: int) -> None:
        """Take note of its death; ``status`` is an exit code, negative for a signal."""
        self.state, self.status = "gone", status
        self.holds.clear()
        if self._deadline is not None:
            self._deadline.cancel()
        if self.channel is not None:
            self.channel.close()
        if self._pidfd >= 0:
            self._loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = -1
        for future in self._asked.values():
            if not future.done():
                future.set_exception(UnavailableError("The worker is gone."))
        self._settled.set()
        self.gone.set()
        self._changed(self)

    async def ask(self, what: str, deadline: float = 2.0) -> Message:
        """Send a question and return the answer."""
        if self.channel is None or self.state == "gone":
            raise UnavailableError("The worker can't be asked.")
        number = next(self._ids)
        future: asyncio.Future[Message] = self._loop.create_future()
        self._asked[number] = future
        self._send({"do": what, "id": number})
        try:
            async with asyncio.timeout(deadline):
                return await future
        except TimeoutError:
            raise DeadlineError("The worker does not answer.") from None
        finally:
            del self._asked[number]

    def record(self) -> WorkerRecord:
        """Return what the successor needs to know."""
        fd = self.channel.sock.fileno() if self.channel is not None else -1
        return WorkerRecord(
            self.pid, self.ticks, self.group, self.index, self.generation, self.state, fd, sorted(self.holds)
        )

    def _received(self, message: Message) -> None:
        if "re" in message:
            future = self._asked.get(message["re"])
            if future is not None and not future.done():
                future.set_result(message)
            return
        match message.get("event"):
            case "ready":
                self.state = "ready"
                self._settled.set()
            case "failed":
                self.refusal = _error(message)
            case "released":
                self.holds.discard(message["module"])
            case "bug" | "draining" if self.state == "serving":
                # It goes by itself: after a bug, or because somebody sent it SIGTERM.
                self.state = "draining"
                self.limit(LEFT)
        self._changed(self)

    def _silent(self) -> None:
        """Nothing to do: a channel closes because its process ends, and that is told by the kernel."""

    def _send(self, message: dict[str, Any]) -> None:
        if self.channel is not None:
            self.channel.send(message)

    def _signal(self, number: signal.Signals) -> None:
        if self.state != "gone" and self.ticks and linux.start_ticks(self.pid) == self.ticks:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def _watch(self) -> None:
        try:
            self._pidfd = os.pidfd_open(self.pid)
        except OSError:
            self._loop.call_soon(self.ended, 0)
            return
        self._loop.add_reader(self._pidfd, self.ended, 0)


def _error(message: Message) -> SeraiError:
    kind = BY_CODE.get(str(message.get("code")), InternalError)
    return kind(str(message.get("public")), **{str(k): v for k, v in message.get("fields", {}).items()})
