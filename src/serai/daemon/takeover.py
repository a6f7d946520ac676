"""Taking the workers of a dead supervisor over: their listening sockets first, so that nobody is refused."""

from __future__ import annotations

import os
import socket
from contextlib import suppress

import structlog

from serai.daemon import linux
from serai.daemon.record import Record, SocketRecord, WorkerRecord


def living(record: Record) -> list[WorkerRecord]:
    """Return the workers that are still the processes that the record means."""
    return [worker for worker in record.workers if worker.ticks and linux.start_ticks(worker.pid) == worker.ticks]


def fetch(
    record: Record, orphans: list[WorkerRecord], log: structlog.stdlib.BoundLogger
) -> dict[str, list[socket.socket]]:
    """Copy the listening sockets out of orphaned workers; what can't be had is left out, to be opened anew."""
    found: dict[str, list[socket.socket]] = {}
    serving = [worker for worker in orphans if worker.state in {"ready", "serving"}]
    pidfds = []
    try:
        for worker in serving:
            with suppress(OSError):
                pidfds.append(os.pidfd_open(worker.pid))
        for name, wanted in record.sockets.items():
            sockets = [_fetch_one(pidfds, each) for each in wanted]
            complete = [sock for sock in sockets if sock is not None]
            if len(complete) == len(wanted):
                found[name] = complete
                continue
            log.warning("takeover.socket_lost", address=name)
            for sock in complete:
                sock.close()
    finally:
        for pidfd in pidfds:
            os.close(pidfd)
    return found


def inherited(record: Record) -> dict[str, list[socket.socket]]:
    """Return the sockets that this process kept over its own exec."""
    return {name: [socket.socket(fileno=each.fd) for each in wanted] for name, wanted in record.sockets.items()}


def describe(sockets: list[socket.socket]) -> list[SocketRecord]:
    """Return what finds sockets again in another process."""
    return [SocketRecord(sock.fileno(), repr(sock.getsockname())) for sock in sockets]


def _fetch_one(pidfds: list[int], wanted: SocketRecord) -> socket.socket | None:
    """Look for a socket in each worker: a number may mean something else in a worker of another group."""
    for pidfd in pidfds:
        try:
            fd = linux.descriptor_of(pidfd, wanted.fd)
        except OSError:
            continue
        try:
            sock = socket.socket(fileno=fd)
        except OSError:
            # Something else, which must not live on in us: it may be another process's lock.
            os.close(fd)
            continue
        with suppress(OSError):
            if repr(sock.getsockname()) == wanted.name:
                sock.set_inheritable(False)
                return sock
        sock.close()
    return None
