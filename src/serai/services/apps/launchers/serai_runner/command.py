"""Commands: arguments on their standard input, progress and result on a descriptor of their own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from .wire import UnknownError, high, result

REPORT = 3  # where a command writes its progress and its result, one JSON object a line
LONGEST = 2 << 20  # octets of a line of a report
LAST_WORDS = 1.0  # seconds for a command's report to end after the command


class Command:
    """One command at work."""

    def __init__(self, run: Any, send: Callable[[Mapping[str, Any]], None]) -> None:
        self._run = run
        self._send = send
        self._child: subprocess.Popen[bytes] | None = None

    def cancel(self) -> None:
        """Ask it to end, and all that it started."""
        if self._child is not None:
            with contextlib.suppress(OSError):
                os.killpg(self._child.pid, signal.SIGTERM)

    def run(self, message: dict[str, Any]) -> dict[str, Any]:
        """Run one to its end; return the answer for the bot."""
        reader, writer = map(high, os.pipe())
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
            raise UnknownError("{} can't be executed: {}.".format(message["argv"][0], error.strerror)) from error
        finally:
            os.close(REPORT)
        self._child = child
        if self._run.canceled:  # before there was a child to be told
            self.cancel()
        report = _Report(reader, self._send)
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
        return result(report.result)


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


def _feed(child: subprocess.Popen[bytes], arguments: Any) -> None:
    """Give a command its arguments; it need not read them."""
    stdin = child.stdin
    if stdin is not None:
        with contextlib.suppress(OSError):
            stdin.write(b"" if arguments is None else json.dumps(arguments).encode() + b"\n")
        with contextlib.suppress(OSError):
            stdin.close()
