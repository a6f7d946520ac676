"""The loop of a visit: what the program says to who reads it, what callers say to the program, and its end."""

from __future__ import annotations

import fcntl
import os
import select
import time
from _socket import socket
from termios import TIOCSWINSZ

from . import kernel
from .callers import Callers
from .input import Input
from .spool import Spool
from .watch import signal_session

TYPE_CHECKING = False  # importing typing would cost 4 ms and 1 MB
if TYPE_CHECKING:
    from typing import Any

HUP, KILL, CONT = 1, 9, 18
SPOOL = 512 << 10  # octets of output that wait to be confirmed
READING = 256 << 10  # octets that one reading brings: the next one confirms them
PIECE = 16 << 10
CHUNK = 64 << 10
GRACE = 2.0  # seconds between the hang-up and the kill
AGAIN = 0.5  # seconds between kills of what forks meanwhile
LINGER = 10.0  # seconds in which an ended visit still tells its end
BRIEFLY = 2.0
ROUNDS = 50
LAST = 0.2  # seconds for a workload that ends to do so


class Stay:
    """Stay with one program. Single-threaded; every descriptor is polled.

    ``pids``: of the process between, of the program, and a pidfd of the workload. ``ends``: where input goes, the
    terminal's master (-1 for none), and the outputs with their tags.
    """

    def __init__(
        self,
        config: dict[str, Any],
        pids: tuple[int, int, int],
        ends: tuple[int, int, dict[int, bytes]],
        report: socket,
        callers: Callers,
        signals: int,
    ) -> None:
        self._between, self._program, self._workload = pids
        self._master, self._outputs = ends[1:]
        self._input = Input(ends[0], terminal=self._master >= 0)
        self._report, self._callers, self._signals = report, callers, signals
        self._idle, self._detached, self._seconds = config["idle"], config["detached"], config["seconds"]
        self._spool = Spool(SPOOL)
        self._waiting: dict[int, bytes] = {}  # callers whose input has no room yet
        self._reader, self._at, self._until, self._full = -1, 0, 0, False
        self._born = self._used = self._left = time.monotonic()
        self._reason, self._kill_at = "", 0.0
        self._exit, self._ended, self._dismissed = b"", 0.0, False

    def run(self) -> None:
        """Return when the program has ended and its end was there to be heard for a while."""
        while True:
            poll = select.poll()
            for fd, mask in self._interests().items():
                poll.register(fd, mask)
            for fd, _ in poll.poll(self._patience()):
                self._event(fd)
            self._feed()
            self._pass_on()
            if self._exit:
                if self._dismissed or time.monotonic() >= self._leaves():
                    return
            else:
                self._look_at_the_clock()

    def _interests(self) -> dict[int, int]:
        wanted = dict.fromkeys((self._callers.listener.fileno(), self._signals, *self._callers.open), select.POLLIN)
        if not self._exit:
            wanted[self._report.fileno()] = select.POLLIN
        if self._full:
            wanted[self._reader] |= select.POLLOUT
        if self._spool.room:
            wanted.update(dict.fromkeys(self._outputs, select.POLLIN))
        if self._input.held:
            wanted[self._input.fd] = wanted.get(self._input.fd, 0) | select.POLLOUT
        return wanted

    def _patience(self) -> int:
        """Return the milliseconds until the clock is to be looked at."""
        if self._exit:
            until = self._leaves()
        else:
            until = min(self._born + self._seconds, self._used + self._idle)
            if self._reader < 0:
                until = min(until, self._left + self._detached)
            if self._kill_at:
                until = self._kill_at
        return max(0, int((until - time.monotonic()) * 1000)) + 1

    def _leaves(self) -> float:
        """Return when an ended visit goes; who ended it asks for no more."""
        return max(self._ended, self._used) + (BRIEFLY if self._reason == "ended" else LINGER)

    def _look_at_the_clock(self) -> None:
        now = time.monotonic()
        if self._kill_at:
            if now >= self._kill_at:
                signal_session(self._program, KILL)
                self._kill_at = now + AGAIN
        elif now >= self._born + self._seconds:
            self._end("expired")
        elif now >= self._used + self._idle:
            self._end("idle")
        elif self._reader < 0 and now >= self._left + self._detached:
            self._end("detached")

    def _event(self, fd: int) -> None:
        if fd in self._outputs:
            self._copy(fd)
        elif fd == self._callers.listener.fileno():
            self._waiting.pop(self._callers.accept(), None)
        elif fd == self._signals:
            kernel.read_signal(fd)
            self._end("ended")
            self._dismissed = True
        elif fd in self._callers.open:
            self._full = self._full and fd != self._reader
            self._hear(fd)
        elif not self._exit and fd == self._report.fileno():
            self._gone(self._report.recv(32))
        if self._reader >= 0 and self._reader not in self._callers.open:
            self._lose()

    def _copy(self, fd: int) -> None:
        """Take what the program wrote; after its end only what is there already."""
        room = min(CHUNK, self._spool.room)
        if not room:
            return
        try:
            data = os.read(fd, room)
        except BlockingIOError:
            if not self._exit:
                return
            data = b""
        except OSError:  # of a terminal nobody has open any more
            data = b""
        if data:
            self._spool.add(self._outputs[fd], data)
        else:
            del self._outputs[fd]

    def _hear(self, fd: int) -> None:
        message = self._callers.hear(fd)
        number = int.from_bytes(message[1:9], "big")
        kind = message[:1]
        if kind == b"o" and self._spool.start <= number <= self._spool.end:
            if fd != self._reader:
                self._callers.drop(self._reader)  # who reads last is who is there
            self._spool.forget(number)
            self._reader, self._at, self._until, self._full = fd, number, number + READING, False
            self._confirm(fd)
        elif kind in (b"i", b"I") and number <= self._input.taken:
            self._type(fd, message)
        elif kind == b"w" and len(message) == 5:
            if self._master >= 0:
                fcntl.ioctl(self._master, TIOCSWINSZ, message[1:] + bytes(4))
            self._confirm(fd)
        elif kind == b"q":
            self._end("ended")
            self._dismissed = bool(self._exit)
            self._confirm(fd)
        elif message:
            self._callers.tell(fd, b"!" + self._spool.start.to_bytes(8, "big") + self._input.taken.to_bytes(8, "big"))
            self._callers.drop(fd)

    def _type(self, fd: int, message: bytes) -> None:
        """Take input as far as there is room; who finds none waits."""
        at = int.from_bytes(message[1:9], "big")
        if not self._input.take(at, message[9:], message[:1] == b"I"):
            self._waiting[fd] = message
            return
        self._used = time.monotonic()
        self._confirm(fd)

    def _confirm(self, fd: int) -> None:
        if fd in self._callers.open:
            self._callers.tell(fd, b"k" + self._input.taken.to_bytes(8, "big"))

    def _feed(self) -> None:
        """Give the program its input, and take more of who waits."""
        if not self._input.feed():
            return
        for fd, message in list(self._waiting.items()):
            del self._waiting[fd]
            if fd in self._callers.open:
                self._type(fd, message)

    def _pass_on(self) -> None:
        """Tell the reader what there is, and in the end how it ended."""
        while self._reader >= 0 and not self._full:
            tag, data = self._spool.piece(self._at, min(PIECE, self._until - self._at))
            place = self._at.to_bytes(8, "big")
            if data:
                self._full = not self._callers.tell(self._reader, tag + place + data)
                self._used = time.monotonic()
                self._at += 0 if self._full else len(data)
            elif self._at >= self._until or (self._exit and not self._outputs):
                if self._at < self._until:
                    self._callers.tell(self._reader, b"x" + place + self._exit)
                self._callers.drop(self._reader)
            else:
                return
            if self._reader not in self._callers.open:
                self._lose()

    def _lose(self) -> None:
        self._reader, self._full, self._left = -1, False, time.monotonic()

    def _end(self, reason: str) -> None:
        if not self._exit and not self._reason:
            self._reason, self._kill_at = reason, time.monotonic() + GRACE
            signal_session(self._program, HUP)
            signal_session(self._program, CONT)

    def _gone(self, report: bytes) -> None:
        """Note how the program ended, and end what is left of its session."""
        for _ in range(ROUNDS):  # something may fork meanwhile
            if not signal_session(self._program, KILL):
                break
            time.sleep(LAST / ROUNDS)
        code = int(report[1:]) if report[:1] == b"S" else -KILL
        self._report.close()
        os.waitpid(self._between, 0)
        last = select.poll()
        last.register(self._workload, select.POLLIN)
        stopped = bool(last.poll(int(LAST * 1000) if code == -KILL else 0))
        reason = self._reason or ("stopped" if stopped else "signal" if code < 0 else "exited")
        content = '{"code":%d,"reason":"%s","when":%.3f}' % (code, reason, time.time())  # noqa: UP031
        self._exit, self._ended = content.encode(), time.monotonic()
        try:
            with open("exit.new", "wb") as file:  # noqa: PTH123
                file.write(self._exit)
            os.rename("exit.new", "exit.json")  # noqa: PTH104
        except OSError:  # who is here is told, also where the disk is full
            return
