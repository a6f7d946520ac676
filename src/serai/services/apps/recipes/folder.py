"""Look at a folder that a stranger filled: bounded, and never through a link."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from serai.errors import InvalidError, NotFoundError

MAX_FILES = 100_000
MAX_DEPTH = 64
# What tools leave behind tells nothing about a program, and is large.
SKIPPED = frozenset({".git", ".hg", ".svn", ".venv", "venv", "node_modules", "__pycache__", ".tox", ".serai"})


def sound(path: str) -> bool:
    """Say whether recipes may see this path: relative, normal, printable on one line, and encodable."""
    parts = path.split("/")
    return (
        0 < len(path) <= 4096
        and not any(part in {"", ".", ".."} for part in parts)
        and not any(ord(char) < 32 or 0xD800 <= ord(char) <= 0xDFFF for char in path)
    )


class _Listing:
    """The names of a folder; subclasses read its files."""

    def __init__(self, files: Mapping[str, bool], folders: frozenset[str]) -> None:
        # Shallow ones first: what lies at the top says more about a program than what lies deep.
        self._files = dict(sorted(files.items(), key=lambda item: (item[0].count("/"), item[0])))
        self._folders = folders

    def files(self) -> Iterator[str]:
        """Yield the regular files, those directly in the folder first."""
        return iter(self._files)

    def exists(self, path: str) -> bool:
        """Say whether there is a regular file of that path."""
        return path in self._files

    def folder(self, path: str) -> bool:
        """Say whether there is a real folder of that path."""
        return path in self._folders

    def executable(self, path: str) -> bool:
        """Say whether it is a regular file that its owner may execute."""
        return self._files.get(path, False)


class Tree(_Listing):
    """A folder in memory: path to octets. For tests, and for what was never unpacked."""

    def __init__(self, content: Mapping[str, bytes], executables: frozenset[str] = frozenset()) -> None:
        self._content = {path: data for path, data in content.items() if sound(path)}
        folders = {str(parent) for path in self._content for parent in PurePosixPath(path).parents} - {"."}
        super().__init__({path: path in executables for path in self._content}, frozenset(folders))

    def read(self, path: str, limit: int = 1 << 20) -> bytes:
        """Return a file's octets."""
        if path not in self._content:
            raise NotFoundError(f"There is no file {path}.", path=path)
        if len(self._content[path]) > limit:
            raise InvalidError(f"{path} is larger than {limit} octets.", path=path)
        return self._content[path]

    def head(self, path: str, count: int = 512) -> bytes:
        """Return a file's first octets, or none where there is no such file."""
        return self._content.get(path, b"")[:count]


class Folder(_Listing):
    """A folder on disk, listed once. `InvalidError` beyond `MAX_FILES` files or `MAX_DEPTH` levels.

    Every part of every path is opened with O_NOFOLLOW, so that a link which appears later leads nowhere either.
    Links, devices, sockets and names that no recipe should meet (`sound`) are left out of the listing.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        files: dict[str, bool] = {}
        folders: set[str] = set()
        _scan(root, "", files, folders, 0)
        super().__init__(files, frozenset(folders))

    def read(self, path: str, limit: int = 1 << 20) -> bytes:
        """Return a file's octets."""
        data = self._read(path, limit + 1)
        if len(data) > limit:
            raise InvalidError(f"{path} is larger than {limit} octets.", path=path)
        return data

    def head(self, path: str, count: int = 512) -> bytes:
        """Return a file's first octets, or none where there is no such file."""
        try:
            return self._read(path, count)
        except NotFoundError:
            return b""

    def _read(self, path: str, count: int) -> bytes:
        if not self.exists(path):
            raise NotFoundError(f"There is no file {path}.", path=path)
        *folders, name = path.split("/")
        at = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for folder in folders:
                inner = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=at)
                os.close(at)
                at = inner
            # O_NONBLOCK: a FIFO put in the file's place must not hold us up.
            fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=at)
        except OSError as error:
            raise NotFoundError(f"{path} can't be read.", path=path) from error
        finally:
            os.close(at)
        with os.fdopen(fd, "rb") as file:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise NotFoundError(f"{path} is not a file.", path=path)
            return file.read(count)


def _scan(root: Path, prefix: str, files: dict[str, bool], folders: set[str], depth: int) -> None:
    if depth > MAX_DEPTH:
        raise InvalidError(f"The folder is nested deeper than {MAX_DEPTH} levels.", path=prefix)
    with os.scandir(root / prefix) as entries:
        for entry in entries:
            path = prefix + entry.name
            if not sound(path):
                continue
            if entry.is_dir(follow_symlinks=False):
                folders.add(path)
                if entry.name not in SKIPPED:
                    _scan(root, f"{path}/", files, folders, depth + 1)
            elif entry.is_file(follow_symlinks=False):
                files[path] = bool(entry.stat(follow_symlinks=False).st_mode & stat.S_IXUSR)
            if len(files) + len(folders) > MAX_FILES:
                raise InvalidError(f"The folder has more than {MAX_FILES} files.", path="")
