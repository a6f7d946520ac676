"""A visit: a program that somebody runs inside a running workload, and the process that stays with it.

It starts as a shim does (see `main`) and is outside of the workload: it holds the program's terminal or pipes, lends
them to whoever connects to its ``door`` (see `callers`), and so outlives agents and callers. It ends with the program,
which ends with the workload; and it ends the program where nobody was there for a while, or for too long.
"""

from __future__ import annotations

import os
import select
from _socket import AF_UNIX, SCM_RIGHTS, SOCK_SEQPACKET, SOL_SOCKET, socket, socketpair

from . import kernel
from .bencode import text
from .callers import Callers
from .enter import enter, started
from .stay import Stay
from .talk import receive, send

TYPE_CHECKING = False  # importing typing would cost 4 ms and 1 MB
if TYPE_CHECKING:
    from typing import Any

SIGNALS = [1, 2, 15]  # HUP INT TERM
START_SECONDS = 10


def main(_arguments: list[str]) -> None:
    """Detach, then live as long as the program, and a little longer for those who want to hear how it ended."""
    if os.fork():
        os._exit(0)
    os.setsid()
    agent = socket(fileno=0)
    config = receive(agent)
    try:
        stay = _begin(agent, config)
    except OSError as error:
        reason, number = ("exec", error.errno) if error.filename == "exec" else ("visit", 0)
        what = "%s: %s" % (error.strerror, error.filename)  # noqa: UP031
        send(agent, {"event": "failed", "reason": reason, "errno": number or 0, "text": what})
        os._exit(1)
    stay.run()
    os._exit(0)


def _begin(agent: socket, config: dict[str, Any]) -> Stay:
    """Start the program and return when it executes and the agent has written us down; OSError where it does not."""
    for path in config["shim_groups"]:
        kernel.join(path)
    # It knows the environment of the workload.
    kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
    os.chdir(config["folder"])
    target = os.pidfd_open(config["pid"])
    if started(config["pid"]) != text(config["started"]):
        raise OSError(3, "it has ended", "the workload")
    callers = Callers(config["owner"], config["greeting"])
    signals = kernel.signal_fd(SIGNALS)
    theirs, ours = _pipes() if not config["size"] else ((), ())
    report, far = socketpair(AF_UNIX, SOCK_SEQPACKET | os.O_CLOEXEC)
    between = os.fork()
    if not between:
        enter(config, target, far, theirs)
    far.close()
    for fd in theirs:
        os.close(fd)
    try:
        program, master = _executing(report, agent)
    except OSError:
        report.close()
        os.waitpid(between, 0)
        raise
    streams = {master: b"d"} if master >= 0 else {ours[1]: b"d", ours[2]: b"e"}
    for fd in (*streams, master if master >= 0 else ours[0]):
        os.set_blocking(fd, False)
    send(agent, {"event": "running", "pid": os.getpid(), "program": program, "child": between})
    if not agent.recv(1):
        os._exit(1)  # nobody knows of us, and the program ends with us
    agent.close()
    ends = (master if master >= 0 else ours[0], master, streams)
    return Stay(config, (between, program, target), ends, report, callers, signals)


def _pipes() -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return input, output and error: the program's ends, and ours."""
    entrance, output, errors = os.pipe(), os.pipe(), os.pipe()
    return (entrance[0], output[1], errors[1]), (entrance[1], output[0], errors[0])


def _executing(report: socket, agent: socket) -> tuple[int, int]:
    """Return the program's pid and its terminal's master (-1 for none) when it executes."""
    master, poll = -1, select.poll()
    poll.register(report.fileno(), select.POLLIN)
    poll.register(agent.fileno(), select.POLLIN)  # says nothing yet: it would have gone
    while True:
        ready = poll.poll(START_SECONDS * 1000)
        if not ready or any(fd == agent.fileno() for fd, _ in ready):
            os._exit(1)  # with us ends what was begun
        data, ancillary, _, _ = report.recvmsg(32, 64)
        for level, kind, content in ancillary:
            if level == SOL_SOCKET and kind == SCM_RIGHTS:
                master = int.from_bytes(content[:4], "little")
                os.set_inheritable(master, False)
        if data[:1] == b"R":
            return int(data[1:]), master
        if data[:1] in (b"E", b"S", b""):
            number = int(data[1:] or b"0") if data[:1] == b"E" else 0
            raise OSError(number, os.strerror(number), "exec" if data[:1] == b"E" else "the program")
