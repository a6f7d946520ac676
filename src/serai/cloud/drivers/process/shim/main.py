"""The shim's life: prepare namespaces, start the sandbox, look after it, say how it ended.

Descriptor 0 is a socket to the agent; messages are a length (4 octets, big-endian) and a bencoded dictionary. The
agent sends the configuration. The shim says ``network`` where it wants to be connected and waits for one octet, then
``running`` or ``failed``; after ``running`` the agent confirms by one octet that it has written the handle down. An
agent that dies before that leaves nothing behind: the shim sees the end of the socket and kills what it started.
"""

from __future__ import annotations

import os
from _socket import AF_UNIX, SO_PASSCRED, SOCK_SEQPACKET, SOL_SOCKET, socket, socketpair

from . import kernel
from .bencode import text
from .doors import Doors
from .keeper import Keeper
from .logs import Log
from .slirp import Slirp, refuse
from .talk import exactly, receive, send

TYPE_CHECKING = False  # importing typing would cost 4 ms and 1 MB
if TYPE_CHECKING:
    from typing import Any

FORWARDED = [1, 2, 3, 10, 12, 15, 28]  # HUP INT QUIT USR1 USR2 TERM WINCH
FIRST_FREE = 100  # descriptors below are promised to bubblewrap by its argument vector


def main(_arguments: list[str]) -> None:
    """Detach, then live as long as the workload."""
    if os.fork():
        os._exit(0)
    os.setsid()
    kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)
    agent = socket(fileno=0)
    config = receive(agent)
    try:
        keeper = prepare(agent, config)
    except OSError as error:
        send(agent, {"event": "failed", "reason": "shim", "text": "%s: %s" % (error.strerror, error.filename)})  # noqa: UP031
        os._exit(1)
    keeper.run()
    os._exit(0)


def prepare(agent: socket, config: dict[str, Any]) -> Keeper:
    """Make all that needs privileges, start the sandbox, give the privileges up."""
    for path in config["shim_groups"]:
        kernel.join(path)
    uid, gid = config["uid"], config["gid"]
    os.chdir(config["folder"])
    prepare_network(agent, config)
    doors = Doors(0 if uid >= 0 else -1, config["connector_gid"])
    os.umask(0o027)
    state = os.open("state", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    signals = kernel.signal_fd(FORWARDED)
    sandbox = start_sandbox(config)
    # After the drop this folder's owner can't be asked for anything by path: descriptors stay open instead.
    if uid >= 0:
        drop(uid, gid)
    os.chdir("/")
    log = Log(state, config["log"])
    return Keeper(config, agent, sandbox, log, doors, state, signals)


def prepare_network(agent: socket, config: dict[str, Any]) -> None:
    """Make the network namespace, and let the agent or slirp4netns connect it where it shall have a way out."""
    kind = text(config["network"])
    if kind == "slirp":
        slirp = Slirp(config["slirp"])
    if config["uid"] < 0:
        uid, gid = os.getuid(), os.getgid()
        kernel.unshare(kernel.CLONE_NEWUSER | (0 if kind == "host" else kernel.CLONE_NEWNET))
        # Root of its own user namespace: of all that this means, only its own network namespace is real.
        for name, value in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1")):
            with open("/proc/self/" + name, "w") as file:  # noqa: PTH123
                file.write(value)
    elif kind != "host":
        kernel.unshare(kernel.CLONE_NEWNET)
    if kind == "host":
        return
    kernel.bring_up("lo")
    if kind == "routed":
        send(agent, {"event": "network", "pid": os.getpid()})
        exactly(agent, 1)
        kernel.give_address("eth0", *(text(word) for word in config["address"]))
    elif kind == "slirp":
        slirp.connect()
        refuse(config["rules"])


def start_sandbox(config: dict[str, Any]) -> tuple[int, socket, tuple[int, int]]:
    """Fork bubblewrap; return its pid, the launcher's report socket, and its output and error pipes."""
    report, far = socketpair(AF_UNIX, SOCK_SEQPACKET | os.O_CLOEXEC)
    report.setsockopt(SOL_SOCKET, SO_PASSCRED, 1)
    outputs, errors = os.pipe(), os.pipe()
    child = os.fork()
    if not child:
        try:
            become_sandbox(config, far.fileno(), outputs[1], errors[1])
        except OSError as error:
            os.write(errors[1], f"{error.strerror}: {error.filename}\n".encode())
        finally:
            os._exit(126)
    far.close()
    os.close(outputs[1])
    os.close(errors[1])
    return child, report, (outputs[0], errors[0])


def become_sandbox(config: dict[str, Any], report: int, output: int, error: int) -> None:
    """Join the workload's cgroups, become its user, put the promised descriptors in place, execute bubblewrap."""
    kernel.unblock(FORWARDED)
    for path in config["groups"]:
        kernel.join(path)
    if config["uid"] >= 0:
        drop(config["uid"], config["gid"])
    if config["nice"]:
        os.nice(config["nice"])
    promised = {0: os.open("/dev/null", os.O_RDONLY), 1: output, 2: error, config["report_fd"]: report}
    for number, content in config["files"]:
        promised[number] = os.memfd_create("serai")
        with open(promised[number], "wb", closefd=False) as file:
            file.write(content)
        os.lseek(promised[number], 0, os.SEEK_SET)
    # Two steps, so that no descriptor is overwritten before it was copied.
    import fcntl  # noqa: PLC0415  the parent has no use for it

    high = {number: fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, FIRST_FREE) for number, fd in promised.items()}
    for number, fd in high.items():
        os.dup2(fd, number, inheritable=True)
    argv = [text(word) for word in config["argv"]]
    os.execve(argv[0], argv, {"PATH": "/usr/bin:/bin"})  # noqa: S606  a typed vector; no shell


def drop(uid: int, gid: int) -> None:
    """Become ``uid`` for good, with no group but ``gid``."""
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
