"""What a recipe is asked, and what it answers: a build plan as a value.

A recipe never runs anything, imports nothing of the program and follows no link out of its folder: it looks, and
answers with argument vectors. Who runs them (in a sandbox of the tenant) is not its business.

Inside the sandbox, at build and at run, these paths are the same on every host and in every release:

    /app          the release's folder: writable while it is built, read-only ever after; the working directory
    /data         the application's own data, ``$DATA_DIR``; at run time (and for the release command) only
    /cache        the application's build cache; at build time only, kept from build to build
    /serai/lib    `serai.services.apps.launchers`, read-only
    /serai/bin/uv the installer of Python packages; at build time only
    /serai/runtimes/NAME   interpreters that are not below /usr, read-only; see `BuildPlan.mounts`
    /usr, /etc/ssl/certs   the host's, read-only
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import ClassVar, Literal, Protocol

import msgspec

from serai.cloud.drivers.contract import Mount
from serai.services.apps.manifest import Manifest

APP = "/app"
DATA = "/data"
CACHE = "/cache"
LIB = "/serai/lib"
UV = "/serai/bin/uv"
RUNTIMES = "/serai/runtimes"
PORT = 8000  # where a web process listens, on 127.0.0.1 of its own network namespace
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
PATH = "/usr/local/bin:/usr/bin:/bin"

BUILD_ENV: Mapping[str, str] = {
    "PATH": PATH,
    "HOME": f"{CACHE}/home",  # what tools keep there by habit (~/.npm, ~/.cargo) is kept from build to build
    "LANG": "C.UTF-8",
    "CI": "1",
    "SSL_CERT_FILE": CERTIFICATES,
    "REQUESTS_CA_BUNDLE": CERTIFICATES,
    "NODE_EXTRA_CA_CERTS": CERTIFICATES,
}
RUN_ENV: Mapping[str, str] = {
    "PATH": PATH,
    "HOME": DATA,
    "LANG": "C.UTF-8",
    "PORT": str(PORT),
    "HOST": "127.0.0.1",
    "DATA_DIR": DATA,
    "SSL_CERT_FILE": CERTIFICATES,
}


class FolderView(Protocol):
    """A folder as recipes see it: names, sizes and small files. No links are followed, nothing is ever written.

    Paths are relative, with ``/`` between their parts and no ``.``, ``..``, NUL or newline in them.
    """

    def files(self) -> Iterator[str]:
        """Yield the regular files in sorted order, those directly in the folder first."""
        ...

    def exists(self, path: str) -> bool:
        """Say whether there is a regular file of that path."""
        ...

    def folder(self, path: str) -> bool:
        """Say whether there is a real (not linked) folder of that path."""
        ...

    def executable(self, path: str) -> bool:
        """Say whether it is a regular file that its owner may execute."""
        ...

    def read(self, path: str, limit: int = 1 << 20) -> bytes:
        """Return a file's octets. `NotFoundError` where there is none, `InvalidError` beyond ``limit`` octets."""
        ...

    def head(self, path: str, count: int = 512) -> bytes:
        """Return a file's first ``count`` octets, or none where there is no such file."""
        ...


class Runtime(msgspec.Struct, frozen=True, kw_only=True):
    """An interpreter that tenants can run on this host.

    ``executable`` is its path inside the sandbox; ``mount`` makes it visible there, None for what lies below /usr.
    ``env`` is what its programs need to find their own parts there.
    """

    language: str  # python, node, php, perl, npm, plackup, cpanm
    version: tuple[int, ...]  # (3, 11) or (20, 20, 2): as much as is known
    executable: str
    mount: Mount | None = None
    env: Mapping[str, str] = {}


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One command of a build, run in ``/app`` with `BUILD_ENV`, then the plan's ``env``, then its own.

    With ``cached``, all that it leaves lies in the plan's ``outputs`` and follows from the plan's ``key``: where an
    earlier build of this application with the same key left its outputs, they may be taken instead.
    """

    title: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = {}
    network: bool = False
    cached: bool = False


class Program(msgspec.Struct, frozen=True, kw_only=True):
    """What a process executes, in ``/app``, with `RUN_ENV`, then the plan's ``env``, then this, then the tenant's."""

    argv: tuple[str, ...]
    env: Mapping[str, str] = {}


class Recurring(msgspec.Struct, frozen=True, kw_only=True):
    """A command that is run again and again: by ``cron`` in ``time_zone``, or ``every_seconds``; one of the two."""

    name: str
    program: Program
    cron: str = ""
    every_seconds: int = 0
    time_zone: str = "UTC"


class Static(msgspec.Struct, frozen=True):
    """Files that the edge serves by itself: below URL path ``path`` ("/static/"), from ``folder`` of the release."""

    path: str
    folder: str


class BuildPlan(msgspec.Struct, frozen=True, kw_only=True):
    """How to build and start what lies in a folder.

    With ``target`` "static" there are no processes and ``static`` has the entry for "/". Otherwise "web" is among
    ``processes`` and speaks HTTP/1.1 on 127.0.0.1:``port``; the other names are workers. ``outputs`` are the folders
    (relative to the release's) that cached steps leave. ``notes`` are sentences for the person who deploys.
    """

    recipe: str
    runtime: str  # "python3.11", "" where there is none
    target: Literal["instances", "static"] = "instances"
    steps: tuple[Step, ...] = ()
    key: str = ""
    outputs: tuple[str, ...] = ()
    processes: Mapping[str, Program] = {}
    release: Program | None = None
    recurring: tuple[Recurring, ...] = ()
    env: Mapping[str, str] = {}
    mounts: tuple[Mount, ...] = ()
    static: tuple[Static, ...] = ()
    persist: tuple[str, ...] = ()  # paths of the release that are links into the data folder
    port: int = PORT
    notes: tuple[str, ...] = ()


class Match(msgspec.Struct, frozen=True):
    """A recipe fits, and by what: a short phrase such as "Flask application app:app"."""

    recipe: str
    why: str


class Project(msgspec.Struct, frozen=True):
    """What a recipe looks at: the folder, what its ``app.toml`` and Procfile say, and what this host can run."""

    files: FolderView
    manifest: Manifest
    runtimes: tuple[Runtime, ...] = ()


class Recipe(Protocol):
    """Know one kind of program."""

    NAME: ClassVar[str]
    LOOKS_FOR: ClassVar[tuple[str, ...]]  # phrases for the person whose folder fits nothing

    def detect(self, project: Project) -> Match | None:
        """Say whether this kind of program lies there, ready to be served."""
        ...

    def plan(self, project: Project) -> BuildPlan:
        """Say how to build and start it. `UnsupportedError` where the host lacks the run time it asks for."""
        ...


def key_of(files: FolderView, inputs: tuple[str, ...], steps: tuple[Step, ...], *facts: str) -> str:
    """Return a hex digest over all that cached steps depend on: their commands, ``inputs`` (files), ``facts``."""
    digest = hashlib.sha256()
    digest.update(msgspec.msgpack.encode((facts, [step for step in steps if step.cached]), order="sorted"))
    for name in inputs:
        if files.exists(name):
            digest.update(msgspec.msgpack.encode((name, files.read(name, 16 << 20))))
    return digest.hexdigest()
