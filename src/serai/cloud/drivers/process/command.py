"""Turn a workload and a host's facts into the command that runs it, as a value: no file is touched here."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

import msgspec

from serai.cloud.drivers.contract import Limits, Mount, Workload
from serai.cloud.drivers.process.facts import Facts
from serai.cloud.drivers.process.shim import bencode
from serai.errors import InvalidError

ID = re.compile(r"[a-z0-9_-][a-z0-9._-]{0,99}\Z")
INSIDE = 1000  # the user and group that every workload sees itself as
SHIM = "/run/serai/shim"
PARTS = ("__init__", "__main__", "bencode", "landlock", "launch")
REPORT_FD, SECCOMP_FD, CONFIG_FD, FIRST_FILE_FD = 3, 4, 5, 6
MAX_ENV = 512 << 10  # octets of environment and arguments; execve() allows about 2 MiB
# The sandbox's own: nothing may be mounted over them.
RESERVED = ("/dev", "/proc", "/run", "/sys", "/etc")


class Plan(msgspec.Struct, frozen=True):
    """An argument vector, and what has to be readable at which descriptors when it is executed."""

    argv: tuple[str, ...]
    files: tuple[tuple[int, bytes], ...]


def check(workload: Workload) -> None:
    """Raise `InvalidError` with the path of the first value that can't be run."""
    if not ID.match(workload.id):
        raise InvalidError("An ID has 1 to 100 of a-z, 0-9, dot, hyphen and underscore.", path="id")
    if not workload.argv or not workload.argv[0]:
        raise InvalidError("There is no program to run.", path="argv")
    check_words((*workload.argv, workload.cwd), workload.env)
    if workload.uid is not None and workload.uid < 1:
        raise InvalidError("A workload can't run as root.", path="uid")
    if not 0 <= workload.port <= 65535:
        raise InvalidError("A port is a number from 0 to 65535.", path="port")
    _check_limits(workload)
    for mount in workload.mounts:
        _check_mount(mount)


def check_words(words: Sequence[str], env: Mapping[str, str]) -> None:
    """Raise `InvalidError` where a program can't be given these arguments and variables."""
    every = [*words, *env, *env.values()]
    if any("\0" in word for word in every) or any("=" in name or not name for name in env):
        raise InvalidError("Arguments and variables can't hold NUL, names can't hold an equals sign.", path="env")
    if sum(len(word.encode("utf-8", "surrogateescape")) + 1 for word in every) > MAX_ENV:
        raise InvalidError("Arguments and variables are longer than 512 KiB.", path="env")


def plan(
    workload: Workload, facts: Facts, parts: Mapping[str, bytes], seccomp: bytes, hosts: Hosts, *, grouped: bool
) -> Plan:
    """Return the command that runs ``workload``; ``parts`` are the shim's files that run inside, `PARTS` by name.

    ``grouped`` says that a control group bounds its memory.
    """
    numbered = _Files()
    argv = [facts.bwrap, *_namespaces(workload), *_system(facts)]
    argv += ["--size", str(workload.limits.tmp_mb << 20), "--tmpfs", "/tmp", "--symlink", "/tmp", "/var/tmp"]  # noqa: S108
    argv += ["--dir", "/run"]
    for name, content in hosts.files().items():
        argv += ["--perms", "0444", "--file", numbered.add(content), name]
    for name, content in parts.items():
        argv += ["--perms", "0444", "--file", numbered.add(content), f"{SHIM}/{name}"]
    for mount in workload.mounts:
        argv += ["--bind" if mount.writable else "--ro-bind", str(mount.source), mount.target]
    argv += ["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/"]
    argv += ["--seccomp", str(SECCOMP_FD), "--"]
    main = next(name for name in parts if name.startswith("__main__."))
    argv += [facts.python, "-I", "-S", f"{SHIM}/{main}", "launch", str(CONFIG_FD), str(REPORT_FD)]
    writable = tuple(mount.target for mount in workload.mounts if mount.writable)
    confined = confine(workload.cwd, writable, workload.limits, grouped=grouped)
    config = bencode.encode({**confined, "env": list(workload.env.items()), "argv": workload.argv})
    return Plan(tuple(argv), ((SECCOMP_FD, seccomp), (CONFIG_FD, config), *numbered.contents))


def confine(cwd: str, writable: tuple[str, ...], limits: Limits, *, grouped: bool) -> dict[str, object]:
    """Return what a process puts on itself inside, before it becomes a program of the workload."""
    bounds = {"core": 0, "files": limits.files, "processes": limits.processes}
    if not grouped:
        # Stops what grows faster than the shim looks. Address space that was asked for and not used counts (8 MiB for
        # each thread's stack), so it must be roomy.
        bounds["data"] = (2 * limits.memory_mb + 256) << 20
    return {
        "cwd": cwd,
        "writable": ["/tmp", "/dev/shm", "/dev/pts", *writable],  # noqa: S108  of the sandbox
        "devices": ["/dev", "/proc"],
        "limits": bounds,
    }


class Hosts(msgspec.Struct, frozen=True):
    """The names that a workload knows: its own, its user's, and who answers for the others."""

    name: str
    resolvers: tuple[str, ...]

    def files(self) -> dict[str, bytes]:
        """Return the generated files of /etc."""
        resolv = "".join(f"nameserver {address}\n" for address in self.resolvers) + "options timeout:2 attempts:2\n"
        texts = {
            "/etc/passwd": f"root:x:0:0::/root:/usr/sbin/nologin\napp:x:{INSIDE}:{INSIDE}::/tmp:/bin/sh\n",
            "/etc/group": f"root:x:0:\napp:x:{INSIDE}:\n",
            "/etc/hosts": f"127.0.0.1 localhost {self.name}\n::1 localhost\n",
            "/etc/hostname": f"{self.name}\n",
            "/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n",
            "/etc/resolv.conf": resolv,
        }
        return {path: text.encode() for path, text in texts.items()}


class _Files:
    """Number what bubblewrap shall read from descriptors."""

    def __init__(self) -> None:
        self.contents: list[tuple[int, bytes]] = []

    def add(self, content: bytes) -> str:
        number = FIRST_FILE_FD + len(self.contents)
        self.contents.append((number, content))
        return str(number)


def _namespaces(workload: Workload) -> list[str]:
    # The network namespace is the shim's. --disable-userns keeps programs from becoming root in one of their own.
    name = re.sub(r"[^a-z0-9-]", "-", workload.id)[:60].strip("-") or "app"
    own = ["--unshare-user", "--disable-userns", "--unshare-ipc", "--unshare-pid", "--unshare-uts"]
    own += ["--unshare-cgroup-try", "--uid", str(INSIDE), "--gid", str(INSIDE), "--hostname", name]
    return [*own, "--die-with-parent", "--new-session", "--cap-drop", "ALL", "--clearenv"]


def _system(facts: Facts) -> list[str]:
    argv = ["--ro-bind", "/usr", "/usr"]
    for path, target in facts.links:
        argv += ["--symlink", target, path]
    for path in facts.folders:
        argv += ["--ro-bind", path, path]
    if facts.runtime:
        argv += ["--ro-bind", facts.runtime, facts.runtime]
    for path in facts.etc:
        argv += ["--ro-bind", path, path]
    # A tmpfs without a size takes half of the host's memory. /dev itself is made read-only when all is in place.
    return [*argv, "--dev", "/dev", "--size", str(64 << 20), "--tmpfs", "/dev/shm", "--proc", "/proc"]  # noqa: S108


def _check_limits(workload: Workload) -> None:
    limits = workload.limits
    bounds = {
        "memory_mb": (8, 1 << 20),
        "cpu": (0.01, 1024),
        "processes": (1, 1 << 20),
        "files": (16, 1 << 20),
        "tmp_mb": (1, 1 << 20),
        "log_mb": (1, 1 << 14),
        "weight": (1, 10000),
    }
    for name, (least, most) in bounds.items():
        if not least <= getattr(limits, name) <= most:
            raise InvalidError(f"It must be between {least} and {most}.", path=f"limits.{name}")


def _check_mount(mount: Mount) -> None:
    target = PurePosixPath(mount.target)
    if not target.is_absolute() or ".." in target.parts or "\0" in mount.target or target == PurePosixPath("/"):
        raise InvalidError(
            "A mount needs an absolute target below the root.", path="mounts.target", target=mount.target
        )
    if any(target.is_relative_to(one) or PurePosixPath(one).is_relative_to(target) for one in RESERVED):
        raise InvalidError("That place belongs to the sandbox.", path="mounts.target", target=mount.target)
    if not Path(mount.source).is_absolute() or "\0" in str(mount.source):
        raise InvalidError("A mount needs an absolute source.", path="mounts.source")
