"""The shim's loop: output into the log, sockets to who may ask, signals to the program, and its end to a file."""

from __future__ import annotations

import os
import select
import time
from _socket import SOL_SOCKET, socket

from . import kernel, watch
from .bencode import encode
from .doors import Doors
from .logs import Log

TYPE_CHECKING = False  # importing typing would cost 4 ms and 1 MB
if TYPE_CHECKING:
    from typing import Any

SCM_CREDENTIALS = 2
SIGKILL = 9
CHUNK = 64 << 10  # a pipe's capacity
WATCH_EVERY = 0.5  # seconds between looks at the memory, where no cgroup looks


class Keeper:
    """Keep one running workload. Single-threaded; every descriptor is polled."""

    def __init__(
        self,
        config: dict[str, Any],
        agent: socket,
        sandbox: tuple[int, socket, tuple[int, int]],
        log: Log,
        doors: Doors,
        state: int,
        signals: int,
    ) -> None:
        self._config, self._agent = config, agent
        self._child, self._report, outputs = sandbox
        self._log, self._doors, self._state, self._signals = log, doors, state, signals
        self._streams = {outputs[0]: b"stdout", outputs[1]: b"stderr"}
        self._program = 0
        self._reporting = True
        self._launched = False
        self._told = False
        self._confirmed = False
        self._failure = 0  # errno of exec
        self._full = False
        self._looked = 0.0
        self._ended = os.pidfd_open(self._child)
        self._poll = select.poll()
        for fd in (agent.fileno(), self._report.fileno(), *outputs, doors.listener.fileno(), signals, self._ended):
            self._poll.register(fd, select.POLLIN)

    def run(self) -> None:
        """Return when the workload has ended, its output is written and so is how it ended."""
        limit = self._config["watch"]
        alive = True
        while alive:
            for fd, _ in self._poll.poll(int(WATCH_EVERY * 1000) if limit else None):
                alive = self._event(fd) and alive
            if limit and self._program and time.monotonic() - self._looked > WATCH_EVERY:
                self._looked = time.monotonic()
                if watch.memory(self._program, limit) > limit:
                    self._full = True
                    os.kill(self._child, SIGKILL)
        self._end()

    def _event(self, fd: int) -> bool:
        if fd in self._streams:
            self._copy(fd)
        elif fd == self._doors.listener.fileno():
            client = self._doors.accept()
            if client:
                self._poll.register(client.fileno(), select.POLLIN)
        elif fd in self._doors.clients:
            self._poll.unregister(fd)
            self._doors.serve(fd)
        elif fd == self._signals:
            number = kernel.read_signal(fd)
            if self._program:
                os.kill(self._program, number)
        elif fd == self._report.fileno():
            self._reported()
        elif fd == self._agent.fileno():
            self._heard()
        return fd != self._ended

    def _copy(self, fd: int) -> None:
        if self._log.wait():
            time.sleep(0.01)  # the pipe fills and the workload waits with us
            return
        data = os.read(fd, CHUNK)
        if data:
            self._log.write(self._streams[fd], data)
        else:
            self._forget(fd)
            del self._streams[fd]

    def _reported(self) -> None:
        data, ancillary, _, _ = self._report.recvmsg(16, 128)
        for level, kind, content in ancillary:
            # The kernel translates the sender's pid into our namespace.
            if data and level == SOL_SOCKET and kind == SCM_CREDENTIALS:
                self._program = int.from_bytes(content[:4], "little")
        if data == b"L":
            self._launched = True
        elif data[:1] == b"E":
            self._failure = int(data[1:])
        elif not data:
            self._forget(self._report.fileno())
            self._reporting = False
            if self._launched and not self._failure:
                self._told = True
                self._tell({"event": "running", "pid": os.getpid(), "program": self._program, "child": self._child})

    def _heard(self) -> None:
        confirmed = self._agent.recv(1)
        self._forget(self._agent.fileno())
        if confirmed:
            self._confirmed = True
            null = os.open("/dev/null", os.O_RDONLY)
            os.dup2(null, 0)
            os.close(null)
        else:  # nobody knows of this workload
            os.kill(self._child, SIGKILL)

    def _end(self) -> None:
        _, status = os.waitpid(self._child, 0)
        code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else -os.WTERMSIG(status)
        _reap()
        # Everything inside died with its PID namespace, so the pipes have ended or end now.
        for fd in list(self._streams):
            os.set_blocking(fd, False)
            self._drain(fd)
        self._log.close()
        if 128 < code <= 128 + 64:  # how bubblewrap passes on a signal
            code = 128 - code
        killed = watch.out_of_memory_kills(self._config["oom"]) > 0 and code == -SIGKILL
        reason = "out_of_memory" if self._full or killed else "signal" if code < 0 else "exited"
        while self._reporting:
            self._reported()
        if not self._told:
            self._tell_failure(code)
        elif not self._confirmed:
            self._agent.recv(1)  # it is writing our pid down: be there until it has
        self._write('{"code":%d,"reason":"%s","when":%.3f}\n' % (code, reason, time.time()))  # noqa: UP031

    def _drain(self, fd: int) -> None:
        while True:
            try:
                data = os.read(fd, CHUNK)
            except BlockingIOError:
                return
            if not data:
                return
            self._log.write(self._streams[fd], data)

    def _write(self, content: str) -> None:
        fd = os.open("exit.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640, dir_fd=self._state)
        os.write(fd, content.encode())
        os.fsync(fd)
        os.close(fd)
        os.rename("exit.new", "exit.json", src_dir_fd=self._state, dst_dir_fd=self._state)

    def _tell_failure(self, code: int) -> None:
        reason = "exec" if self._failure else "ended" if self._launched else "sandbox"
        message = {"event": "failed", "reason": reason, "errno": self._failure, "code": code, "text": self._log.tail()}
        self._tell(message)

    def _tell(self, message: dict[str, Any]) -> None:
        data = encode(message)
        try:
            self._agent.sendall(len(data).to_bytes(4, "big") + data)
        except OSError:  # it has gone; _heard() sees that
            return

    def _forget(self, fd: int) -> None:
        self._poll.unregister(fd)


def _reap() -> None:
    """Kill and reap what is left below us: bubblewrap, killed in its first moments, leaves its own child behind."""
    for _ in range(500):
        for pid in watch.children(os.getpid()):
            try:
                os.kill(pid, SIGKILL)
            except OSError:
                continue
        try:
            os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        time.sleep(0.002)
