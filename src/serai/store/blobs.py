"""Immutable octets by their SHA-256: releases' sources, backups, attachments.

A blob is complete or not there: it is written beside, made durable, and renamed. Two writers of the same octets
end with one file.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import re
import tempfile
from collections.abc import AsyncIterable, AsyncIterator, Callable
from pathlib import Path
from typing import TypeVar

import msgspec

from serai.errors import ConflictError, ExhaustedError, InvalidError, NotFoundError, SeraiError, UnavailableError

T = TypeVar("T")

#: Octets of a blob, where its writer says nothing.
MAX_BLOB = 4 << 30
#: Octets of a chunk that is read.
CHUNK = 256 * 1024

_ID = re.compile(r"[0-9a-f]{64}")


class Blob(msgspec.Struct, frozen=True):
    """What a blob is called (SHA-256, lower-case hexadecimal) and how many octets it has."""

    id: str
    size: int


class Blobs:
    """Blobs in files of one folder, ``ID[:2]/ID``; unfinished ones lie in ``new/``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    async def put(self, chunks: AsyncIterable[bytes], *, limit: int = MAX_BLOB, expect: str = "") -> Blob:
        """Store a stream; with ``expect`` it must have that ID, or it is `ConflictError`.

        `ExhaustedError` past ``limit`` octets or on a full disk; nothing is left behind where it raises.
        """
        unfinished = await self._run(lambda: _Unfinished(self.folder / "new"))
        try:
            async for chunk in chunks:
                if unfinished.size + len(chunk) > limit:
                    raise ExhaustedError(f"a blob of more than {limit} octets", limit=limit)
                await self._run(lambda data=chunk: unfinished.write(data))  # type: ignore[misc]
            blob = unfinished.blob()
            if expect and blob.id != expect:
                raise ConflictError(f"the blob is {blob.id}, not {expect}", expected=expect, found=blob.id)
            await self._run(lambda: unfinished.finish(self.path(blob.id)))
            return blob
        finally:
            unfinished.discard()

    async def read(self, blob: str) -> AsyncIterator[bytes]:
        """Yield a blob's octets, or raise `NotFoundError`."""
        path = self.path(blob)
        file = await self._run(lambda: path.open("rb"))
        try:
            while chunk := await self._run(lambda: file.read(CHUNK)):
                yield chunk
        finally:
            file.close()

    def path(self, blob: str) -> Path:
        """Return where a blob is, or would be; whoever opens it must only read. `InvalidError` for what is no ID."""
        if not isinstance(blob, str) or not _ID.fullmatch(blob):
            raise InvalidError("a blob's ID is its SHA-256 in hexadecimal", path="blob")
        return self.folder / blob[:2] / blob

    async def size(self, blob: str) -> int:
        """Return a blob's octets, or raise `NotFoundError`."""
        path = self.path(blob)
        return (await self._run(path.stat)).st_size

    async def verify(self, blob: str) -> bool:
        """Read a blob and tell whether it is still what its ID says, or raise `NotFoundError`."""
        digest = hashlib.sha256()
        async for chunk in self.read(blob):
            digest.update(chunk)
        return digest.hexdigest() == blob

    async def delete(self, blob: str) -> None:
        """Remove a blob, or raise `NotFoundError`; who reads it goes on."""
        path = self.path(blob)
        await self._run(path.unlink)

    async def list(self) -> AsyncIterator[Blob]:
        """Yield all blobs by ID; what is added or deleted meanwhile may be missed."""
        for folder in await self._run(lambda: _names(self.folder)):
            if len(folder) == 2:
                for blob in await self._run(lambda name=folder: _blobs(self.folder / name)):  # type: ignore[misc]
                    yield blob

    async def sweep(self, older: float) -> int:
        """Remove what was left unfinished before a time (seconds since the epoch); return how many."""
        return await self._run(lambda: _sweep(self.folder / "new", older))

    async def _run(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.to_thread(work)
        except OSError as error:
            raise translate(error) from error


class _Unfinished:
    """A blob while it is written."""

    def __init__(self, folder: Path) -> None:
        _make(folder)
        descriptor, name = tempfile.mkstemp(dir=folder)
        _give(descriptor, folder.parent)
        self._path = Path(name)
        self._file = os.fdopen(descriptor, "wb", buffering=0)
        self._digest = hashlib.sha256()
        self.size = 0

    def write(self, chunk: bytes) -> None:
        """Add octets."""
        self._digest.update(chunk)
        self.size += len(chunk)
        rest = memoryview(chunk)
        while rest:
            rest = rest[self._file.write(rest) :]

    def blob(self) -> Blob:
        """Return what it is, so far."""
        return Blob(self._digest.hexdigest(), self.size)

    def finish(self, path: Path) -> None:
        """Make it durable under its name."""
        os.fsync(self._file.fileno())
        self._file.close()
        _make(path.parent)
        self._path.chmod(0o640)
        self._path.rename(path)
        for folder in (path.parent, path.parent.parent):
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def discard(self) -> None:
        """Leave nothing behind; safe after `finish`."""
        self._file.close()
        self._path.unlink(missing_ok=True)


def translate(error: OSError) -> SeraiError:
    """Return the coded error for a native one."""
    if isinstance(error, FileNotFoundError):
        return NotFoundError("there is no such blob")
    if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
        return ExhaustedError("the disk of the blobs is full")
    return UnavailableError(f"the blobs can't be used: {error.strerror}", temporary=False)


def _make(folder: Path) -> None:
    """Make a folder where there is none."""
    folder.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    try:
        folder.mkdir(mode=0o750)
    except FileExistsError:
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        _give(descriptor, folder.parent)
    finally:
        os.close(descriptor)


def _give(descriptor: int, like: Path) -> None:
    """Give what was just made to whom the blobs belong, where that is not who made it: the host's agent is root."""
    owner = like.stat()
    if os.geteuid() == 0 and owner.st_uid != 0:
        os.fchown(descriptor, owner.st_uid, owner.st_gid)


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def _blobs(folder: Path) -> list[Blob]:
    found = []
    for name in _names(folder):
        try:
            found.append(Blob(name, (folder / name).stat().st_size))
        except FileNotFoundError:
            continue  # deleted since
    return found


def _sweep(folder: Path, older: float) -> int:
    swept = 0
    for name in _names(folder):
        path = folder / name
        if path.stat().st_mtime < older:
            path.unlink()
            swept += 1
    return swept
