"""The file of a replica: how it is opened by its writer and its readers, and what its keys and values are.

The writer and the readers are different users: readers need the data file's group to read it, and the lock file's
group to write it, since each of them takes a slot in there.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import ClassVar

import lmdb
import msgspec

from serai.errors import ExhaustedError, SeraiError, UnavailableError

#: Octets that the file may grow to; it is sparse, so this costs address space only.
MAP_SIZE = 16 << 30
#: Processes and threads that may have it open.
MAX_READERS = 1024
#: Octets of a key; longer ones can't be in it.
MAX_KEY = 511

_DATA_MODE, _LOCK_MODE, _FOLDER_MODE = 0o640, 0o660, 0o750


class Stored(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A descriptor's value; the spec stays encoded, within the value, until its kind is known."""

    version: int
    change: int
    schema: int
    spec: msgspec.Raw


class Position(msgspec.Struct, frozen=True, array_like=True):
    """How far a replica follows which store: the last change's number and mark, and the store's ID."""

    change: int = 0
    mark: int = 0
    store: str = ""


class ReplicaFile:
    """An open replica, shared by all of a process: LMDB's locks do not survive a second opening within one."""

    _lock: ClassVar[threading.Lock] = threading.Lock()
    _open: ClassVar[dict[tuple[int, Path], ReplicaFile]] = {}  # by process, since a fork must not use its parent's

    def __init__(self, folder: Path, *, writable: bool) -> None:
        self.folder = folder
        self._writable = writable
        self._users = 0
        self._connect()

    @classmethod
    def share(cls, folder: Path, *, writable: bool) -> ReplicaFile:
        """Return the process's opening of a replica; it becomes writable with the first that asks for that."""
        with cls._lock:
            where = (os.getpid(), folder.absolute())
            file = cls._open.get(where)
            if file is None:
                file = cls._open[where] = cls(folder, writable=writable)
            elif writable and not file._writable:
                file._writable = True
                file._reconnect()
            file._users += 1
            return file

    def release(self) -> None:
        """Give it back; the last one unmaps it."""
        with self._lock:
            self._users -= 1
            if self._users == 0:
                self._open.pop((os.getpid(), self.folder.absolute()), None)
                self.env.close()

    def follow(self) -> None:
        """Open it again where the folder holds another file by now."""
        with self._lock:
            if self._inode != _inode(self.folder / "data.mdb"):
                self._reconnect()

    def _reconnect(self) -> None:
        self.env.close()
        self._connect()

    def _connect(self) -> None:
        try:
            if self._writable:
                _prepare(self.folder)
            try:
                self._map()
            except (lmdb.CorruptedError, lmdb.InvalidError, lmdb.VersionMismatchError):
                if not self._writable:
                    raise
                (self.folder / "data.mdb").unlink()  # it is a copy: the feed fills a new one
                _prepare(self.folder)
                self._map()
            if self._writable:
                _permit(self.folder)
        except (lmdb.Error, OSError) as error:
            raise translate(error, self.folder) from error
        self._inode = _inode(self.folder / "data.mdb")

    def _map(self) -> None:
        self.env = lmdb.open(
            str(self.folder),
            map_size=MAP_SIZE,
            max_dbs=2,
            max_readers=MAX_READERS,
            mode=_LOCK_MODE,
            readonly=not self._writable,
            create=self._writable,
            metasync=False,  # a crash of the machine may undo the newest changes, which are then pulled again
        )
        try:
            self.records = self.env.open_db(b"records", create=self._writable)
            self.about = self.env.open_db(b"about", create=self._writable)
        except BaseException:
            self.env.close()
            raise


def key(kind: str, tenant: str, name: str) -> bytes | None:
    """Return the key of a descriptor, None for what no descriptor can be called; keys sort like their parts."""
    if "\0" in tenant or "\0" in name:
        return None
    try:
        encoded = f"{kind}\0{tenant}\0{name}".encode()
    except UnicodeEncodeError:
        return None
    return encoded if len(encoded) <= MAX_KEY else None


def translate(error: Exception, folder: Path) -> SeraiError:
    """Return the coded error for a native one."""
    if isinstance(error, lmdb.MapFullError | lmdb.DiskError):
        return ExhaustedError(f"the replica {folder} has no room left")
    if isinstance(error, lmdb.ReadersFullError):
        return ExhaustedError(f"the replica {folder} has {MAX_READERS} readers already")
    return UnavailableError(f"the replica {folder} can't be used: {error}")


def _prepare(folder: Path) -> None:
    folder.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
    if not (folder / "data.mdb").exists():
        (folder / "lock.mdb").unlink(missing_ok=True)  # it speaks of the file that was there


def _permit(folder: Path) -> None:
    """Set the modes past the umask; root leaves the files to the owner of the folder above."""
    owner = folder.parent.stat()
    for path, mode in ((folder, _FOLDER_MODE), (folder / "data.mdb", _DATA_MODE), (folder / "lock.mdb", _LOCK_MODE)):
        found = path.stat()
        if os.geteuid() == 0 and found.st_uid == 0:
            os.chown(path, owner.st_uid, owner.st_gid)
        if os.geteuid() in {0, found.st_uid}:
            path.chmod(mode)


def _inode(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
