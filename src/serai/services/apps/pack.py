"""A folder becomes a tar stream: the same folder always the same octets, in one pass, never as a whole in memory.

Names are sorted, owners and times left out, and modes kept as far as «executable or not», so that a folder that did not
change is a blob that is there already.
"""

from __future__ import annotations

import os
import stat
import tarfile
from collections.abc import Iterator
from pathlib import Path

import msgspec

from serai.errors import DeniedError, ExhaustedError, InvalidError, NotFoundError
from serai.services.apps.ignore import Ignore

IGNORE_FILE = ".seraiignore"
MAX_IGNORE_FILE = 64 << 10  # octets
CHUNK = 256 << 10


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """How large a folder may be."""

    octets: int = 1 << 30
    entries: int = 100_000
    depth: int = 32


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """Something to pack: its path below the root, its size in octets, where a link leads."""

    path: str
    size: int = 0
    executable: bool = False
    folder: bool = False
    link: str = ""


def survey(root: Path, bounds: Bounds | None = None) -> list[Entry]:
    """List what of a folder is packed, by path.

    `NotFoundError` and `InvalidError` for what is no folder, for links that lead out of it, and for devices, pipes
    and sockets; `ExhaustedError` beyond the bounds; `DeniedError` for what may not be read.
    """
    limits = bounds or Bounds()
    if "\0" in str(root):
        raise InvalidError("A path holds no NUL.", path="path")
    try:
        if not root.is_dir():
            raise NotFoundError(f"There is no folder {root}.", path=str(root)[:300])
        ignore = Ignore(_patterns(root / IGNORE_FILE))
        entries: list[Entry] = []
        octets = 0
        for entry in _walk(root, "", ignore, limits.depth):
            octets += entry.size
            entries.append(entry)
            if octets > limits.octets or len(entries) > limits.entries:
                raise ExhaustedError(
                    f"{root} is larger than {limits.octets >> 20} MiB or has more than {limits.entries} files; "
                    f"list in {IGNORE_FILE} what is not needed.",
                    path=entry.path,
                )
    except PermissionError as error:
        raise DeniedError(f"{error.filename} can't be read.", path=str(error.filename)) from error
    except OSError as error:
        raise InvalidError(f"{root} can't be read: {error.strerror}.", path=str(root)[:300]) from error
    if not any(not entry.folder for entry in entries):
        raise InvalidError(f"There is nothing to deploy in {root}.", path=str(root))
    return entries


def stream(root: Path, entries: list[Entry]) -> Iterator[bytes]:
    """Yield the tar stream of what was surveyed. `ConflictError`-like changes meanwhile are `InvalidError`."""
    for entry in entries:
        info = tarfile.TarInfo(entry.path)
        info.mode = 0o755 if entry.executable or entry.folder else 0o644
        if entry.folder:
            info.type = tarfile.DIRTYPE
        elif entry.link:
            info.type, info.linkname = tarfile.SYMTYPE, entry.link
        else:
            info.size = entry.size
        yield info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")
        if info.isreg():
            yield from _content(root / entry.path, entry)
    yield bytes(2 * tarfile.BLOCKSIZE)


def _content(path: Path, entry: Entry) -> Iterator[bytes]:
    left = entry.size
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            while left and (chunk := file.read(min(CHUNK, left))):
                left -= len(chunk)
                yield chunk
    except PermissionError as error:
        raise DeniedError(f"{path} can't be read.", path=entry.path) from error
    except OSError as error:
        raise InvalidError(f"{path} can't be read: {error.strerror}.", path=entry.path) from error
    if left:
        raise InvalidError(f"{path} changed while it was read: try again.", path=entry.path)
    yield bytes(-entry.size % tarfile.BLOCKSIZE)


def _walk(root: Path, below: str, ignore: Ignore, depth: int) -> Iterator[Entry]:
    with os.scandir(root / below) as found:
        items = sorted(found, key=lambda item: item.name)
    for item in items:
        path = f"{below}/{item.name}" if below else item.name
        status = item.stat(follow_symlinks=False)
        folder = stat.S_ISDIR(status.st_mode)
        if ignore.ignores(path, folder=folder):
            continue
        if folder:
            if depth <= 1:
                raise InvalidError(f"{path[:200]} lies too deep.", path=path[:300])
            yield Entry(path=path, folder=True)
            yield from _walk(root, path, ignore, depth - 1)
        elif stat.S_ISREG(status.st_mode):
            yield Entry(path=path, size=status.st_size, executable=bool(status.st_mode & stat.S_IXUSR))
        elif stat.S_ISLNK(status.st_mode):
            yield Entry(path=path, link=_link(root, path))
        else:
            raise InvalidError(
                f"{path[:200]} is a device, a pipe or a socket; list it in {IGNORE_FILE}.", path=path[:300]
            )


def _link(root: Path, path: str) -> str:
    target = os.readlink(root / path)  # noqa: PTH115 - pathlib would tidy the text, which is to be kept
    real = os.path.realpath(root)
    leads = os.path.realpath(root / path)
    if target.startswith("/") or not (leads + os.sep).startswith(real + os.sep):
        raise InvalidError(
            f"The link {path[:200]} leads out of the folder; list it in {IGNORE_FILE} if it is not needed.",
            path=path[:300],
        )
    return target


def _patterns(path: Path) -> list[str]:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_IGNORE_FILE + 1)
    except FileNotFoundError:
        return []
    if len(data) > MAX_IGNORE_FILE:
        raise InvalidError(f"{IGNORE_FILE} is larger than {MAX_IGNORE_FILE} octets.", path=IGNORE_FILE)
    return data.decode("utf-8", "replace").splitlines()
