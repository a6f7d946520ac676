"""A host's memory-mapped copy of the descriptors: read by every worker, in microseconds, without the store."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import lmdb
import msgspec

from serai.errors import ConflictError
from serai.store import codec
from serai.store.contract import Change, Record, Spec
from serai.store.driver import Row
from serai.store.replica_file import Position, ReplicaFile, Stored, key, translate

S = TypeVar("S", bound=Spec)

#: Descriptors that `Replica.find` reads at once: between them it holds no pages of the file.
CHUNK = 500
#: Seconds between looks at whether the file was made anew.
LOOK = 1.0

_POSITION = b"position"
_stored = msgspec.msgpack.Decoder(Stored)
_position = msgspec.msgpack.Decoder(Position)


class Replica:
    """Look descriptors up. Reading is synchronous and never waits for a writer.

    Nothing is opened before the first use, which must not be before a fork. Where the file is not there yet, reading
    raises `UnavailableError`, until its writer has made it. One writer at a time; the others wait for it. A writer
    with ``kinds`` keeps those only.
    """

    def __init__(self, folder: Path, *, writable: bool = False, kinds: frozenset[str] | None = None) -> None:
        self.folder = folder
        self._writable = writable
        self._kinds = kinds
        self._file: ReplicaFile | None = None
        self._looked = 0.0

    def change(self) -> int:
        """Return the number of the last change that was applied; compare it to know whether a cache is stale."""
        return self.position().change

    def written(self) -> float:
        """Return when something was last written, in seconds since the epoch; 0 where nothing ever was."""
        try:
            return (self.folder / "data.mdb").stat().st_mtime
        except OSError:
            return 0.0

    def position(self) -> Position:
        """Return how far it follows which store."""
        file = self._file or self._open()
        now = time.monotonic()
        if now - self._looked > LOOK:
            self._looked = now
            file.follow()
        try:
            with file.env.begin(file.about, buffers=True) as txn:
                return _read_position(txn)
        except lmdb.Error as error:
            raise translate(error, self.folder) from error

    def get(self, kind: type[S], tenant: str, name: str) -> Record[S] | None:
        """Return a descriptor or None."""
        where = key(kind.KIND, tenant, name)
        if where is None:
            return None
        file = self._file or self._open()
        try:
            with file.env.begin(file.records, buffers=True) as txn:
                value = txn.get(where)
                return None if value is None else _record(kind, tenant, name, value)
        except lmdb.Error as error:
            raise translate(error, self.folder) from error

    def find(self, kind: type[S], tenant: str | None = None, prefix: str = "") -> Iterator[Record[S]]:
        """Yield descriptors in order of (tenant, name); ``tenant`` None walks all tenants.

        Up to `CHUNK` of them come from one state; a longer walk may see changes that were made meanwhile.
        """
        below = key(kind.KIND, "" if tenant is None else tenant, "" if tenant is None else prefix)
        if below is None:
            return
        if tenant is None:
            below = below[:-1]  # without the tenant's end
        start = below
        while True:
            chunk, start = self._walk(kind, start, below, prefix)
            yield from chunk
            if not start:
                return

    def _walk(self, kind: type[S], start: bytes, below: bytes, prefix: str) -> tuple[list[Record[S]], bytes]:
        """Return a chunk of records and where the next one starts, b"" at the end."""
        file = self._file or self._open()
        found: list[Record[S]] = []
        try:
            with file.env.begin(file.records, buffers=True) as txn, txn.cursor() as cursor:
                if not cursor.set_range(start):
                    return found, b""
                for where, value in cursor:
                    encoded = bytes(where)
                    if not encoded.startswith(below):
                        break
                    if len(found) == CHUNK:
                        return found, encoded
                    _, tenant, name = encoded.decode().split("\0")
                    if name.startswith(prefix):
                        found.append(_record(kind, tenant, name, value))
        except lmdb.Error as error:
            raise translate(error, self.folder) from error
        return found, b""

    def apply(self, changes: Iterable[Change]) -> int:
        """Write entries of the feed, in one transaction; return the number that the replica is at.

        Entries that it has already are skipped; `ConflictError` where one is missing between.
        """
        with self._writing() as (file, txn):
            position = _read_position(txn, file.about)
            position = _apply(txn, file, changes, position, self._kinds)
            txn.put(_POSITION, msgspec.msgpack.encode(position), db=file.about)
        return position.change

    def snapshot(self, store: str, rows: Iterable[Row], position: tuple[int, int], feed: Iterable[Change] = ()) -> int:
        """Replace all by ``rows`` as of a change's (number, mark), then by ``feed``; readers see the end of it only.

        ``rows`` may be newer than that number, as far as the feed goes: they were read one after the other.
        """
        with self._writing() as (file, txn):
            txn.drop(file.records, delete=False)
            for row in rows:
                if self._kinds is None or row.kind in self._kinds:
                    _put(txn, file, row, row.spec)
            reached = _apply(txn, file, feed, Position(*position, store), self._kinds)
            txn.put(_POSITION, msgspec.msgpack.encode(reached), db=file.about)
        return reached.change

    def close(self) -> None:
        """Unmap."""
        if self._file is not None:
            self._file.release()
            self._file = None

    def _open(self) -> ReplicaFile:
        self._file = ReplicaFile.share(self.folder, writable=self._writable)
        self._looked = time.monotonic()
        return self._file

    def _writing(self) -> _Writing:
        return _Writing(self._file or self._open(), self.folder)


class _Writing:
    """A write transaction, with its errors coded, and with slots of readers that died given back."""

    def __init__(self, file: ReplicaFile, folder: Path) -> None:
        self._file = file
        self._folder = folder

    def __enter__(self) -> tuple[ReplicaFile, Any]:
        try:
            self._file.env.reader_check()
            self._txn = self._file.env.begin(self._file.records, write=True)
        except lmdb.Error as error:
            raise translate(error, self._folder) from error
        return self._file, self._txn

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: object) -> None:
        try:
            if error is None:
                self._txn.commit()
            else:
                self._txn.abort()
        except lmdb.Error as native:
            raise translate(native, self._folder) from native
        if isinstance(error, lmdb.Error):
            raise translate(error, self._folder) from error


def _apply(
    txn: Any, file: ReplicaFile, changes: Iterable[Change], position: Position, kinds: frozenset[str] | None
) -> Position:
    for change in changes:
        if change.number <= position.change:
            continue
        if change.number != position.change + 1:
            raise ConflictError(f"change {position.change + 1} is missing before {change.number}", at=position.change)
        wanted = kinds is None or change.kind in kinds
        where = key(change.kind, change.tenant, change.name) if wanted else None
        held = txn.get(where) if where else None
        if where and (held is None or _stored.decode(held).change < change.number):
            if change.spec is not None:
                _put(txn, file, change, change.spec)
            elif held is not None:
                txn.delete(where)
        position = Position(change.number, change.mark, position.store)
    return position


def _put(txn: Any, file: ReplicaFile, row: Row | Change, spec: bytes) -> None:
    number = row.number if isinstance(row, Change) else row.change
    value = msgspec.msgpack.encode(Stored(row.version, number, row.schema, msgspec.Raw(spec)))
    if where := key(row.kind, row.tenant, row.name):
        txn.put(where, value, db=file.records)


def _read_position(txn: Any, about: object = None) -> Position:
    found = txn.get(_POSITION, db=about)
    return Position() if found is None else _position.decode(found)


def _record(kind: type[S], tenant: str, name: str, value: memoryview) -> Record[S]:
    stored = _stored.decode(value)
    data = bytes(stored.spec)  # it outlives the transaction
    spec = codec.decode(kind, stored.schema, data)
    return Record(kind.KIND, tenant, name, stored.version, stored.change, spec, data)
