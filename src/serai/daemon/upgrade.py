"""New code in the same process: the check beforehand, and the exec that keeps every descriptor that matters."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import tempfile
from collections.abc import Sequence
from typing import IO

import structlog

from serai.daemon import record
from serai.daemon.children import Children
from serai.daemon.entry import command
from serai.daemon.home import Home
from serai.errors import InternalError, InvalidError

CHECK_SECONDS = 30.0
#: Kept back from before the exec until the new code has its handlers: their default is to end the process.
HELD = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)


async def check(home: Home, sets: Sequence[str], children: Children) -> None:
    """Let the code on disk try itself in a process of its own: imports, settings, the record left for it.

    Raises `InvalidError` with what it said where it fails.
    """
    with tempfile.TemporaryFile() as said:
        process = _try(command(home, sets, "--check"), said)
        future = children.wait(process.pid)
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                process.returncode = await future
        except TimeoutError:
            os.kill(process.pid, signal.SIGKILL)
            raise InvalidError(f"The new code was not ready within {CHECK_SECONDS} seconds.") from None
        if process.returncode == 0:
            return
        said.seek(0)
        lines = said.read(1 << 20).decode(errors="replace").strip().splitlines()
    raise InvalidError(f"The new code refuses to start: {lines[-1] if lines else 'it says nothing'}", said=lines[-20:])


def _try(argv: Sequence[str], said: IO[bytes]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(argv, stdout=said, stderr=said, stdin=subprocess.DEVNULL, cwd="/")


def execute(home: Home, sets: Sequence[str], current: record.Record, *, terminal: bool) -> None:
    """Become the new code; return only by raising `InternalError` where the kernel refuses."""
    kept = _descriptors(current)
    held = signal.pthread_sigmask(signal.SIG_BLOCK, HELD)
    try:
        record.write(home.record, current)
        for fd in kept:
            os.set_inheritable(fd, True)
        argv = command(home, sets, *(["--terminal"] if terminal else []))
        os.execv(argv[0], argv)  # noqa: S606 - a fixed vector, no shell
    except OSError as error:
        for fd in kept:
            os.set_inheritable(fd, False)
        signal.pthread_sigmask(signal.SIG_SETMASK, held)
        raise InternalError(f"The new code can't be run: {error.strerror}.") from error


def keep_from_children(before: record.Record) -> None:
    """Make what the exec handed on close-on-exec again."""
    for fd in _descriptors(before):
        os.set_inheritable(fd, False)


def reply(sock: socket.socket, line: bytes) -> None:
    """Answer who asked for the upgrade, before the exec."""
    with sock:
        sock.settimeout(1.0)
        try:
            sock.sendall(line)
        except OSError as error:
            structlog.get_logger().info("upgrade.unheard", reason=str(error))


def _descriptors(of: record.Record) -> list[int]:
    fds = [each.fd for sockets in of.sockets.values() for each in sockets]
    fds += [worker.channel for worker in of.workers]
    return [fd for fd in (*fds, of.lock, of.control, of.reply) if fd >= 0]
