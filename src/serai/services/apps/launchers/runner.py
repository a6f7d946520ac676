"""Run an application's tasks, one after the other, for the bot at the other end of a socket.

    runner.py SOCKET [--root FOLDER] [--settings MODULE]

It connects to SOCKET and gets, with the first frame, the descriptor that takes all output. A frame is four octets of
length (big endian) and JSON. The bot sends ``{"do": "call" | "run", …}`` for a task and ``{"do": "cancel"}`` for its
end; the answer to a task is any number of ``{"progress", "sentence"}``, then one of ``{"result"}``, ``{"error"}`` and
``{"canceled"}``. When the bot goes, the runner ends at once, and with it all that it started.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import importlib
import inspect
import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

REPORT = 3  # where a command writes its progress and its result, one JSON object a line
LONGEST = 2 << 20  # octets of a frame, and of a line of a report
MAX_RESULT = 1 << 20  # octets
LAST_WORDS = 1.0  # seconds for a command's report to end after the command


class Bot:
    """The socket to the bot; frames may be sent by any thread."""

    def __init__(self, path: str) -> None:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.connect(path)
        self._sock = socket.socket(fileno=_high(sock.detach()))
        self._lock = threading.Lock()

    def greet(self) -> int:
        """Return the descriptor for output that comes with the first frame."""
        data, ancillary, _, _ = self._sock.recvmsg(4, socket.CMSG_SPACE(4))
        if len(data) != 4 or not ancillary:
            raise SystemExit("the bot does not speak")
        self._exactly(int.from_bytes(data, "big"))
        return int.from_bytes(ancillary[0][2][:4], sys.byteorder)

    def receive(self) -> dict[str, Any] | None:
        """Return the next frame, None when the bot is gone."""
        head = self._exactly(4)
        body = self._exactly(int.from_bytes(head, "big")) if head else b""
        return json.loads(body) if body else None

    def send(self, message: Mapping[str, Any]) -> None:
        """Send a frame."""
        data = json.dumps(message).encode()
        with self._lock:
            self._sock.sendall(len(data).to_bytes(4, "big") + data)

    def _exactly(self, length: int) -> bytes:
        parts = []
        while length:
            part = self._sock.recv(min(length, 1 << 16))
            if not part:
                return b""
            parts.append(part)
            length -= len(part)
        return b"".join(parts)


class Runner:
    """Work on one task at a time, in the main thread, where Python delivers signals."""

    def __init__(self, bot: Bot, client: Any, settings: str) -> None:
        self._bot = bot
        self._client = client
        self._settings = settings
        self._todo: queue.Queue[dict[str, Any]] = queue.Queue()
        self._run: Any = None
        self._calling = False
        self._child: subprocess.Popen[bytes] | None = None

    def serve(self) -> None:
        """Run tasks for ever; the end of the bot is the end of this process."""
        signal.signal(signal.SIGTERM, self._interrupt)
        threading.Thread(target=self._listen, daemon=True).start()
        while True:
            self._work(self._todo.get())

    def _listen(self) -> None:
        try:
            while True:
                message = self._bot.receive()
                if message is None:
                    break
                if message["do"] == "cancel":
                    self._cancel()
                else:
                    self._todo.put(message)
        finally:
            # All processes of this sandbox end with its first one; nothing may go on without a bot.
            os._exit(1)

    def _cancel(self) -> None:
        if self._run is not None:
            self._run.canceled = True
        if self._child is not None:
            with contextlib.suppress(OSError):
                os.killpg(self._child.pid, signal.SIGTERM)
        elif self._calling:
            os.kill(os.getpid(), signal.SIGTERM)

    def _interrupt(self, _number: int, _frame: Any) -> None:
        if self._calling:
            self._calling = False
            raise self._client.Canceled

    def _work(self, message: dict[str, Any]) -> None:
        self._run = self._client.Run(message["id"], message["attempt"], self._bot.send)
        self._client._runs[:] = [self._run]
        try:
            answer = self._answer(message)
        finally:
            self._calling = False
            self._client._runs[:] = []
            self._run = self._child = None
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):
                stream.flush()
        self._bot.send(answer)

    def _answer(self, message: dict[str, Any]) -> dict[str, Any]:
        try:
            if message["do"] == "run":
                return self._command(message)
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
                result = self._await(function(*message["args"], **message["kwargs"]))
            else:
                self._calling = True
                self._client.checkpoint()
                result = function(*message["args"], **message["kwargs"])
        finally:
            self._calling = False
            self._between_tasks()
        return _result(result)

    def _await(self, coroutine: Any) -> Any:
        async def whole() -> Any:
            task = asyncio.ensure_future(coroutine)
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
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
            raise _UnknownError(f"There is no module {module} in this release.") from error
        for part in path.split("."):
            if not hasattr(found, part):
                raise _UnknownError(f"The module {module} has no function {path}.")
            found = getattr(found, part)
        found = getattr(found, "function", found) if isinstance(found, self._client.Function) else found
        if not callable(found):
            raise _UnknownError(f"{name} is no function.")
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

    def _command(self, message: dict[str, Any]) -> dict[str, Any]:
        reader, writer = map(_high, os.pipe())
        os.dup2(writer, REPORT)
        os.close(writer)
        environment = {
            **os.environ,
            "SERAI_TASK": message["id"],
            "SERAI_ATTEMPT": str(message["attempt"]),
            "SERAI_REPORT_FD": str(REPORT),
        }
        try:
            child = subprocess.Popen(
                message["argv"],
                stdin=subprocess.PIPE,
                pass_fds=(REPORT,),
                env=environment,
                start_new_session=True,
            )
        except OSError as error:
            os.close(reader)
            raise _UnknownError("{} can't be executed: {}.".format(message["argv"][0], error.strerror)) from error
        finally:
            os.close(REPORT)
        self._child = child
        if self._run.canceled:  # before there was a child to be told
            self._cancel()
        report = _Report(reader, self._bot.send)
        feeding = threading.Thread(target=_feed, args=(child, message["arguments"]), daemon=True)
        for thread in (report, feeding):
            thread.start()
        code = child.wait()
        with contextlib.suppress(OSError):
            os.killpg(child.pid, signal.SIGKILL)  # what it left behind
        report.join(LAST_WORDS)
        if self._run.canceled:
            return {"canceled": True}
        if code:
            said = f"was ended by signal {-code}" if code < 0 else f"ended with status {code}"
            name = Path(message["argv"][0]).name
            return {"error": {"code": "internal", "public": f"{name} {said}", "status": code, "tail": True}}
        if report.error:
            return {"error": {"code": "invalid", "public": report.error}}
        return _result(report.result)

    def _failure(self, error: BaseException) -> dict[str, Any]:
        kinds = (_UnknownError, self._client.Fail, self._client.ProviderDown)
        if not isinstance(error, kinds):
            _show(error)
        public = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        if isinstance(error, _UnknownError):
            return {"error": {"code": "not_found", "public": str(error)}}
        if isinstance(error, self._client.Fail):
            return {"error": {"code": "invalid", "public": str(error) or "it failed for good"}}
        if isinstance(error, self._client.ProviderDown):
            return {"error": {"code": "unavailable", "public": str(error) or "its provider does not answer"}}
        return {"error": {"code": "internal", "public": public[:4000]}}


class _UnknownError(Exception):
    """The release has nothing of that name."""


class _Report(threading.Thread):
    """Read a command's report; the last result counts."""

    def __init__(self, reader: int, send: Callable[[Mapping[str, Any]], None]) -> None:
        super().__init__(daemon=True)
        self.result: Any = None
        self.error = ""
        self._reader = reader
        self._send = send

    def run(self) -> None:
        """Read to the end."""
        with os.fdopen(self._reader, "rb") as lines:
            while not self.error:
                line = lines.readline(LONGEST)
                if not line:
                    return
                if line.strip():
                    self._take(line)

    def _take(self, line: bytes) -> None:
        try:
            said = json.loads(line)
        except (ValueError, RecursionError):
            self.error = f"What it wrote to descriptor {REPORT} is not JSON, one object a line."
            return
        if isinstance(said, dict) and "progress" in said:
            self._send({"progress": said["progress"], "sentence": said.get("sentence", "")})
        elif isinstance(said, dict) and "result" in said:
            self.result = said["result"]
        else:
            self.result = said


def _high(fd: int) -> int:
    """Move a descriptor away from the low numbers: commands expect one of them."""
    moved = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 20)
    os.close(fd)
    return moved


def _feed(child: subprocess.Popen[bytes], arguments: Any) -> None:
    """Give a command its arguments; it need not read them."""
    stdin = child.stdin
    if stdin is not None:
        with contextlib.suppress(OSError):
            stdin.write(b"" if arguments is None else json.dumps(arguments).encode() + b"\n")
        with contextlib.suppress(OSError):
            stdin.close()


def _result(value: Any) -> dict[str, Any]:
    try:
        size = len(json.dumps(value))
    except (TypeError, ValueError, RecursionError) as error:
        return {"error": {"code": "invalid", "public": f"Its result is not JSON: {error}."}}
    if size > MAX_RESULT:
        return {"error": {"code": "invalid", "public": f"Its result is larger than {MAX_RESULT} octets."}}
    return {"result": value}


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
    sys.path[0] = str(Path(__file__).resolve().parent / "client")
    client = importlib.import_module("serai")
    sys.path[0] = options.get("--root", here)
    if sys.path[0] != here:
        sys.path.insert(1, here)
    Runner(bot, client, options.get("--settings", "")).serve()


if __name__ == "__main__":
    main(sys.argv[1:])
