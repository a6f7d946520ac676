"""The folder of a workload: what is written down of it, so that a restarted agent finds it again.

``handle.json`` is the contract's; ``record.json`` what only this driver knows; ``stopping`` says that its end was
wanted; ``seccomp.bpf`` its filter. They belong to the platform. The folder ``state`` belongs to the workload's user,
as the shim runs as that: ``exit.json``, ``log`` and ``log.1`` in there are read with care.
"""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import msgspec

from serai.cloud.drivers.contract import Exit, Handle, Limits
from serai.errors import AlreadyExistsError, NotFoundError

SMALL = 64 << 10  # octets; ours are far smaller
TAIL = 4 << 10


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """What the process driver keeps of a workload besides its handle."""

    program: int  # the first process inside, as this host numbers it
    program_started: int
    sandbox: int  # bubblewrap outside
    sandbox_started: int
    port: int
    cwd: str
    writable: tuple[str, ...]
    limits: Limits
    link: int = -1  # number of its network link, -1 for none


class Folders:
    """The folders below ``run``, one per workload."""

    def __init__(self, run: Path, gid: int | None) -> None:
        self.run = run
        self._gid = gid

    def path(self, ident: str) -> Path:
        """Return the folder of a workload."""
        return self.run / ident

    def create(self, ident: str, uid: int | None) -> Path:
        """Make the folder; raise `AlreadyExistsError` where it is there."""
        self.run.mkdir(parents=True, exist_ok=True)
        folder = self.path(ident)
        try:
            folder.mkdir(mode=0o750)
        except FileExistsError as error:
            raise AlreadyExistsError("A workload of that name is there.", id=ident) from error
        state = folder / "state"
        state.mkdir()
        gid = -1 if self._gid is None else self._gid
        if uid is not None:
            os.chown(folder, 0, gid)
            os.chown(state, uid, gid)
        folder.chmod(0o750)
        # New files in there belong to the platform's group, which may read them.
        state.chmod(0o2750)
        return folder

    def write(self, handle: Handle, record: Record) -> None:
        """Write both down; the handle last, as its presence says that the rest is there."""
        for name, value in (("record.json", record), ("handle.json", handle)):
            new = handle.folder / (name + ".new")
            new.write_bytes(msgspec.json.encode(value, enc_hook=str))
            new.rename(handle.folder / name)

    def handles(self) -> list[Handle]:
        """Return all handles that were written down; a folder without one is what a crash left of a start."""
        found = []
        for path in sorted(self.run.glob("*/handle.json")):
            data = read_small(path)
            if data:
                found.append(msgspec.json.decode(data, type=Handle, dec_hook=_path))
        return found

    def orphans(self) -> list[Path]:
        """Return the folders without a handle."""
        return [path.parent for path in self.run.glob("*/state") if not (path.parent / "handle.json").exists()]

    def record(self, handle: Handle) -> Record:
        """Return what was written down; raise `NotFoundError` where it was removed."""
        data = read_small(self.path(handle.id) / "record.json")
        if not data:
            raise NotFoundError("There is no such workload.", id=handle.id)
        return msgspec.json.decode(data, type=Record)

    def exit(self, handle: Handle) -> Exit:
        """Return how an ended workload ended; "lost" where its shim was killed before it could say."""
        folder = self.path(handle.id)
        data = read_small(folder / "state" / "exit.json")
        stopping = (folder / "stopping").exists()
        try:
            found = msgspec.json.decode(data, type=Exit)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return Exit(code=-9, reason="stopped" if stopping else "lost", when=time.time())
        return msgspec.structs.replace(found, reason="stopped") if stopping else found

    def remove(self, ident: str) -> None:
        """Remove the folder and all in it."""
        shutil.rmtree(self.path(ident), ignore_errors=True)


def _path(_kind: type, value: str) -> Path:
    return Path(value)


def tail(path: Path) -> str:
    """Return the end of a log, "" where there is none."""
    return read_small(path, last=TAIL).decode(errors="replace")


def read_small(path: Path, *, last: int = SMALL) -> bytes:
    """Return at most the last ``last`` octets of a plain file, b"" where there is none; never follows a link."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return b""
    with os.fdopen(fd, "rb") as file:
        try:
            file.seek(max(0, os.fstat(fd).st_size - last))
            return file.read(last)
        except OSError:
            return b""
