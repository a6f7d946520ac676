"""One warm sandbox of a release: runs tasks one after the other, until it is told to go or its program dies."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from serai.cloud.drivers import Driver, Handle, Mount, Workload
from serai.errors import InternalError, SeraiError, UnavailableError
from serai.services.apps import logs
from serai.services.apps.keeper import describe
from serai.services.apps.running.wire import Door, Frames, Output
from serai.services.apps.work import shown
from serai.tasks.outcome import FailedError, KilledError

PLACE = "/serai/task"  # where the sandbox sees the folder with the bot's socket
GREETING = 30.0  # seconds for a program to start and to connect
TAIL = 20  # lines of output that explain a failure
MAX_SENTENCE = 200
FLOOD = 200  # progress messages in a row after which others have a turn of at least `BREATH` seconds
BREATH = 0.05


class UnknownError(FailedError):
    """The release has no function of that name."""


class Report(msgspec.Struct, frozen=True):
    """Whom a task's output and progress are told."""

    line: Callable[[str], None]
    progress: Callable[[float, str], None]


class Runner:
    """Start with `start`, then `run` one task at a time; afterwards `healthy` says whether it can take another."""

    def __init__(self, driver: Driver, workload: Workload, folder: Path) -> None:
        self.healthy = True
        self.runs = 0
        self._driver = driver
        self._workload = workload
        self._folder = folder
        self._handle: Handle | None = None
        self._frames: Frames | None = None
        self._output: Output | None = None
        self._gone: asyncio.Task[str] | None = None

    async def start(self) -> None:
        """Start the sandbox and wait until its program has connected; nothing is left where that fails."""
        gid = self._workload.uid
        self._folder.mkdir(mode=0o700, parents=False)
        try:
            if gid is not None:
                os.chown(self._folder, -1, gid)
                self._folder.chmod(0o710)
            await self._connect(Door(self._folder, gid))
        except BaseException:
            await asyncio.shield(self.close())
            raise

    async def _connect(self, door: Door) -> None:
        try:
            seen = Mount(self._folder, PLACE)
            self._handle = await self._driver.start(
                msgspec.structs.replace(self._workload, mounts=(*self._workload.mounts, seen))
            )
            self._gone = asyncio.create_task(self._end(self._handle))
            coming = asyncio.ensure_future(door.accept())
            try:
                await asyncio.wait({coming, self._gone}, timeout=GREETING, return_when=asyncio.FIRST_COMPLETED)
            finally:
                # Who still listens to a socket that was closed hears what is meant for the next one of its number.
                if not coming.done():
                    coming.cancel()
                    await asyncio.wait({coming})
            if coming.cancelled():
                raise InternalError(f"The program that runs tasks did not start.\n{self._said()}".strip())
            self._output = Output()
            self._frames = await Frames.greet(coming.result(), self._output.writer)
            self._output.handed_over()
        finally:
            door.close()

    async def run(self, message: Mapping[str, Any], report: Report, grace: float) -> Any:
        """Run one task and return its result.

        Where this is cancelled the task is told to stop, and killed after ``grace`` seconds: `KilledError`. Raises
        `FailedError` where the program says that it failed, `SeraiError` where the sandbox ended.
        """
        frames, output = self._frames, self._output
        if frames is None or output is None:
            raise InternalError("The runner was not started.")
        tail: deque[str] = deque(maxlen=TAIL)

        def line(text: str) -> None:
            tail.append(text)
            report.line(text)

        output.listen(line)
        self.runs += 1
        answering = asyncio.ensure_future(self._answer(frames, message, report))
        try:
            answer = await self._answered(answering, frames, grace)
            output.drain()
            return self._judge(answer, tail)
        except UnavailableError as error:
            why = await self._why()
            output.drain()
            raise self._died(tail, why) from error
        finally:
            self.healthy = self.healthy and answering.done() and not answering.exception()
            answering.cancel()
            output.listen(None)

    async def _answered(
        self, answering: asyncio.Future[dict[str, Any]], frames: Frames, grace: float
    ) -> dict[str, Any]:
        try:
            return await asyncio.shield(answering)
        except asyncio.CancelledError:
            # Told to stop: what was interrupted may have left anything in its process, which is not used again.
            self.healthy = False
            telling = asyncio.ensure_future(_told_to_stop(frames))  # which a program that does not read may never be
            await asyncio.wait({answering}, timeout=grace)
            telling.cancel()
            if not answering.done():
                # In a task of its own: time-outs within one that was cancelled don't work (CPython gh-102780).
                await asyncio.shield(self.close())
                raise KilledError(f"killed: it did not stop within {grace:g} s") from None
            if answering.exception() is None and "result" in answering.result():
                return answering.result()  # it was faster than the wish
            raise

    async def _answer(self, frames: Frames, message: Mapping[str, Any], report: Report) -> dict[str, Any]:
        await frames.send(dict(message))
        count = 0
        while True:
            said = await frames.receive()
            if "progress" not in said:
                return said
            fraction, sentence = said["progress"], said.get("sentence", "")
            if isinstance(fraction, (int, float)) and 0 <= fraction <= 1 and isinstance(sentence, str):
                report.progress(float(fraction), sentence[:MAX_SENTENCE])
            count += 1
            if count % FLOOD == 0:
                await asyncio.sleep(BREATH)

    def _judge(self, answer: Mapping[str, Any], tail: deque[str]) -> Any:
        if "result" in answer:
            return answer["result"]
        error = answer.get("error")
        if not isinstance(error, dict):
            self.healthy = False
            raise FailedError({"code": "internal", "public": "It canceled itself.", "trace": ""})
        public = str(error.get("public", "It failed."))[:4000]
        if error.get("tail") and tail:
            public = f"{public}: {tail[-1][:300]}"
        code = error.get("code")
        if error.get("unknown"):
            raise UnknownError({"code": "not_found", "public": public, "trace": ""})
        known = code if code in {"internal", "invalid", "not_found", "unavailable"} else "internal"
        raise FailedError({"code": str(known), "public": public, "trace": "\n".join(tail)})

    def _died(self, tail: deque[str], why: str) -> FailedError:
        self.healthy = False
        return FailedError({"code": "internal", "public": f"Its process died: {why}.", "trace": "\n".join(tail)})

    async def _why(self) -> str:
        if self._gone is None:
            return "it was never there"
        await asyncio.wait({self._gone}, timeout=2.0)
        return self._gone.result() if self._gone.done() else "it hung up"

    async def _end(self, handle: Handle) -> str:
        why = describe(await self._driver.wait(handle))
        self.healthy = False
        if self._frames is not None:
            self._frames.close()
        return why

    def _said(self) -> str:
        if self._handle is None:
            return ""
        return shown(list(logs.tail(logs.Source("", self._handle.log), TAIL).lines))

    async def close(self) -> None:
        """End it, whatever it does, and take away what is left; safe to call again."""
        self.healthy = False
        if self._gone is not None:
            self._gone.cancel()
        handle, self._handle = self._handle, None
        if handle is not None:
            await self._driver.stop(handle, grace=0)
            await self._driver.remove(handle)
        if self._frames is not None:
            self._frames.close()
        if self._output is not None:
            self._output.close()
        await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)


async def _told_to_stop(frames: Frames) -> None:
    with contextlib.suppress(SeraiError):
        await frames.send({"do": "cancel"})
