"""What goes to and fro between this terminal and a shell elsewhere: keys, output, sizes, and the end.

The main thread writes what the shell says, another reads what is typed: each waits for its own. Both go on where they
were when the platform is replaced in between: output by its place, input by how much of it was taken.
"""

from __future__ import annotations

import base64
import contextlib
import os
import select
import signal
import sys
import termios
import threading
import time
import tty
from collections.abc import Iterator
from typing import Any

from serai.errors import DeadlineError, ExhaustedError, NotFoundError, SeraiError, UnavailableError
from serai.services.apps.commands.target import Target

AT_ONCE = 64 << 10  # octets of input in one request
PATIENCE = 45.0  # seconds for a platform that is away to come back
PAUSE = 0.3  # seconds between attempts
STDIN, STDOUT, STDERR = 0, 1, 2


class Conversation:
    """Talk to one shell until it ends. With ``raw`` each key goes there as it is, Ctrl-C included."""

    def __init__(self, target: Target, shell: str, *, raw: bool) -> None:
        self._api = target.terminal.api
        self._path = target.path("shells", shell)
        self._raw = raw
        self._over = threading.Event()
        self._wake, self._resized = os.pipe()

    def run(self) -> dict[str, Any]:
        """Return how it ended: its ``code`` and ``reason``. The terminal is as before whatever happens."""
        with self._signals(), self._keys():
            typing = threading.Thread(target=self._type, daemon=True)
            typing.start()
            try:
                return self._listen()
            finally:
                self._over.set()
                os.write(self._resized, b"x")
                with contextlib.suppress(SeraiError):  # it has ended, which is all that is wanted
                    self._api.call("DELETE", self._path)

    def _listen(self) -> dict[str, Any]:
        at, heard = 0, time.monotonic()
        while True:
            try:
                for line in self._api.stream(f"{self._path}/output", {"from": at}):
                    heard = time.monotonic()
                    if "exit" in line:
                        told: dict[str, Any] = line["exit"]
                        return told
                    for stream, fd in (("output", STDOUT), ("error", STDERR)):
                        if stream in line:
                            data = base64.b64decode(line[stream])
                            _write(fd, data)
                            at = line["at"] + len(data)
            except NotFoundError:
                return {"code": -1, "reason": "lost"}
            except (UnavailableError, DeadlineError, ExhaustedError):
                if time.monotonic() - heard > PATIENCE:
                    raise
                time.sleep(PAUSE)

    def _type(self) -> None:
        """Send what is typed, and sizes, until it is over."""
        taken, sources = 0, [STDIN, self._wake]
        kept = self._api.keep()
        while not self._over.is_set():
            ready, _, _ = select.select(sources, [], [])
            if self._wake in ready:
                os.read(self._wake, 4096)
                self._resize()
            if STDIN in ready and not self._over.is_set():
                data = _read()
                if not data:
                    sources.remove(STDIN)
                taken = self._send(kept, taken, data)
        kept.close()

    def _send(self, kept: Any, taken: int, data: bytes) -> int:
        end = taken + len(data)
        while not self._over.is_set():
            query = {"at": taken, "end": not data}
            try:
                taken = kept.post(f"{self._path}/input", data[len(data) - (end - taken) :], query)["next"]
            except NotFoundError:
                break
            except SeraiError:  # it reads slowly, or the platform is away: that is the listener's to tell
                time.sleep(PAUSE)
            else:
                if taken >= end:
                    break
        return taken

    def _resize(self) -> None:
        if self._raw and not self._over.is_set():
            with contextlib.suppress(SeraiError):
                self._api.call("POST", f"{self._path}/size", window())

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        """Tell the other thread of a new size; end in order where this process is told to end."""
        handlers: dict[int, Any] = {
            signal.SIGWINCH: lambda *_: os.write(self._resized, b"w"),
            signal.SIGTERM: _leave,
            signal.SIGHUP: _leave,
        }
        before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextlib.contextmanager
    def _keys(self) -> Iterator[None]:
        if not self._raw:
            yield
            return
        before = termios.tcgetattr(STDIN)
        try:
            tty.setraw(STDIN, termios.TCSADRAIN)  # what was typed already is typed there
            yield
        finally:
            termios.tcsetattr(STDIN, termios.TCSADRAIN, before)


def _leave(number: int, _frame: object) -> None:
    sys.exit(128 + number)


def _read() -> bytes:
    try:
        return os.read(STDIN, AT_ONCE)
    except OSError:  # the terminal is gone
        return b""


def _write(fd: int, data: bytes) -> None:
    while data:
        data = data[os.write(fd, data) :]


def window() -> dict[str, int]:
    """Return the rows and columns of the terminal itself: what the environment says of them may be another's."""
    try:
        size = os.get_terminal_size(sys.stdin.fileno())
    except OSError:
        return {"rows": 24, "columns": 80}
    return {"rows": size.lines or 24, "columns": size.columns or 80}  # some terminals do not know theirs
