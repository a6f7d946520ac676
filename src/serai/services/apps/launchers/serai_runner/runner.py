"""The runner itself: takes tasks from the bot, calls functions, and tells how they ended."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import inspect
import os
import queue
import signal
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any

from .command import Command
from .wire import Bot, UnknownError, result

AGAIN = 0.05  # seconds between two signals


class Runner:
    """Work on one task at a time, in the main thread, where Python delivers signals."""

    def __init__(self, bot: Bot, client: Any, settings: str) -> None:
        self._bot = bot
        self._client = client
        self._settings = settings
        self._todo: queue.Queue[dict[str, Any]] = queue.Queue()
        self._run: Any = None
        self._calling = False
        self._idle = False
        self._ending = False
        self._canceled = False  # the task that came last
        self._command: Command | None = None

    def serve(self) -> None:
        """Run tasks until SIGTERM finds none under way; the end of the bot is the end of this process."""
        signal.signal(signal.SIGTERM, self._interrupt)
        threading.Thread(target=self._listen, daemon=True).start()
        while True:
            self._idle = True
            if self._ending:
                return
            message = self._todo.get()
            self._idle = False
            self._work(message)

    def _listen(self) -> None:
        try:
            while True:
                message = self._bot.receive()
                if message is None:
                    break
                if message["do"] == "cancel":
                    self._cancel()
                else:
                    self._canceled = False
                    self._todo.put(message)
        finally:
            # All processes of this sandbox end with its first one; nothing may go on without a bot.
            os._exit(1)

    def _cancel(self) -> None:
        self._canceled = True  # before the look: a task that has come may not have begun
        if self._run is not None:
            self._run.canceled = True
        if self._command is not None:
            self._command.cancel()
        elif self._calling:
            threading.Thread(target=self._insist, daemon=True).start()

    def _insist(self) -> None:
        """Send the signal until it is heard: Python misses one that comes just before it waits in the kernel."""
        while self._calling:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(AGAIN)

    def _interrupt(self, _number: int, _frame: Any) -> None:
        self._ending = True
        if self._calling:
            self._calling = False
            raise self._client.Canceled
        if self._idle:
            os._exit(0)

    def _work(self, message: dict[str, Any]) -> None:
        self._run = self._client.Run(message["id"], message["attempt"], self._bot.send)
        self._client._runs[:] = [self._run]
        if self._canceled:
            self._run.canceled = True
        try:
            answer = self._answer(message)
        finally:
            self._calling = False
            self._client._runs[:] = []
            self._run = self._command = None
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):
                stream.flush()
        self._bot.send(answer)

    def _answer(self, message: dict[str, Any]) -> dict[str, Any]:
        try:
            if message["do"] == "run":
                self._command = Command(self._run, self._bot.send)
                return self._command.run(message)
            return self._call(message)
        except self._client.Canceled:
            return {"canceled": True}
        except BaseException as error:  # noqa: BLE001  whatever it is, even SystemExit: it is the task's, not ours
            return self._failure(error)

    def _call(self, message: dict[str, Any]) -> dict[str, Any]:
        function = self._find(message["call"])
        self._between_tasks()
        try:
            if inspect.iscoroutinefunction(function):
                returned = self._await(function(*message["args"], **message["kwargs"]))
            else:
                self._calling = True
                self._client.checkpoint()
                returned = function(*message["args"], **message["kwargs"])
        finally:
            self._calling = False
            self._between_tasks()
        return result(returned)

    def _await(self, coroutine: Any) -> Any:
        async def whole() -> Any:
            task = asyncio.ensure_future(coroutine)

            def stop() -> None:
                if self._calling:  # once: it may be cleaning up
                    self._calling = False
                    task.cancel()

            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop)
            self._calling = True
            self._client.checkpoint()
            try:
                return await task
            except asyncio.CancelledError:
                if self._run.canceled:
                    raise self._client.Canceled from None
                raise

        try:
            return asyncio.run(whole())
        finally:
            signal.signal(signal.SIGTERM, self._interrupt)

    def _find(self, name: str) -> Any:
        self._set_up()
        module, _, path = name.partition(":")
        try:
            found: Any = importlib.import_module(module)
        except ModuleNotFoundError as error:
            if error.name is None or not (module + ".").startswith(error.name + "."):
                raise
            raise UnknownError(f"There is no module {module} in this release.") from error
        for part in path.split("."):
            if not hasattr(found, part):
                raise UnknownError(f"The module {module} has no function {path}.")
            found = getattr(found, part)
        found = getattr(found, "function", found) if isinstance(found, self._client.Function) else found
        if not callable(found):
            raise UnknownError(f"{name} is no function.")
        return found

    def _set_up(self) -> None:
        settings, self._settings = self._settings, ""
        if settings:
            os.environ.setdefault("DJANGO_SETTINGS_MODULE", settings)
            importlib.import_module("django").setup()

    def _between_tasks(self) -> None:
        """Let Django close connections that are broken or too old, as it does between requests."""
        if "django.db" in sys.modules:
            sys.modules["django.db"].close_old_connections()

    def _failure(self, error: BaseException) -> dict[str, Any]:
        kinds = (UnknownError, self._client.Fail, self._client.ProviderDown)
        if not isinstance(error, kinds):
            _show(error)
        public = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        if isinstance(error, UnknownError):
            return {"error": {"code": "not_found", "public": str(error), "unknown": self._command is None}}
        if isinstance(error, self._client.Fail):
            return {"error": {"code": "invalid", "public": str(error) or "it failed for good"}}
        if isinstance(error, self._client.ProviderDown):
            return {"error": {"code": "unavailable", "public": str(error) or "its provider does not answer"}}
        return {"error": {"code": "internal", "public": public[:4000]}}


def _show(error: BaseException) -> None:
    """Print a traceback into the task's log, without the part that is ours."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    traceback.print_exception(type(error), error, trace)


def main(arguments: list[str]) -> None:
    """Make ready, then serve."""
    bot = Bot(arguments[0])
    output = bot.greet()
    for number in (1, 2):
        os.dup2(output, number)
    os.close(output)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # they are what the interpreter made
    options = dict(zip(arguments[1::2], arguments[2::2], strict=False))
    sys.argv = ["task"]
    here = str(Path.cwd())
    sys.path[0] = str(Path(__file__).resolve().parent.parent / "client")
    client = importlib.import_module("serai")
    sys.path[0] = options.get("--root", here)
    if sys.path[0] != here:
        sys.path.insert(1, here)
    Runner(bot, client, options.get("--settings", "")).serve()
