"""Lay an uploaded tar stream (ustar, GNU or PAX; plain or gzip) out as a folder, whatever somebody put into it.

Only plain files, folders and links that stay inside are made. Devices, pipes and links out are refused rather than left
out: who deploys should know. Modes are reduced to "executable or not"; owners and times are ours.
"""

from __future__ import annotations

import errno
import os
import re
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Literal, Self

import msgspec

from serai.errors import ExhaustedError, InvalidError, UnavailableError

CHUNK = 1 << 18
#: A longer name than this needs no file system we know; without a bound, a header of gigabytes is read into memory.
MAX_HEADER = 1 << 16
#: RecursionError: a header before a header before a header, a thousand times.
_MALFORMED = (tarfile.TarError, EOFError, zlib.error, ValueError, OverflowError, UnicodeError, RecursionError)
#: What stands where a header should.
_BROKEN = (tarfile.InvalidHeaderError, tarfile.TruncatedHeaderError)  # type: ignore[attr-defined]  # unknown to its types
_PAX = (tarfile.XHDTYPE, tarfile.XGLTYPE)
_RECORD = re.compile(rb"([1-9][0-9]{0,5}) ([^=\n]{1,256})=")
_GZIP = b"\x1f\x8b"


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """How large an upload may be when it is unpacked."""

    octets: int = 2 << 30
    entries: int = 100_000
    file: int = 1 << 30  # octets of one file
    depth: int = 32  # folders within folders
    path: int = 1024  # octets of one path


class _Entry(tarfile.TarInfo):
    """Refuse extension headers that are no names any more before they are read; of PAX ones take nothing but names."""

    @classmethod
    def fromtarfile(cls, tarfile_: tarfile.TarFile) -> Self:
        """Read the next header. One that is broken is an error; the library would take it for the end."""
        try:
            return super().fromtarfile(tarfile_)
        except _BROKEN as error:
            raise tarfile.ReadError(str(error)) from None

    def _proc_pax(self, archive: tarfile.TarFile) -> tarfile.TarInfo:
        buffer = archive.fileobj.read(self._block(self.size))  # type: ignore[attr-defined]  # as its base
        # Global headers say what holds for all entries: comments, times. No name does.
        records = _records(buffer[: self.size]) if self.type == tarfile.XHDTYPE else {}
        try:
            entry = self.fromtarfile(archive)
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(str(error)) from None
        entry.name = records.get("path", entry.name)
        entry.linkname = records.get("linkpath", entry.linkname)
        if entry.isdir():
            entry.name = entry.name.rstrip("/")
        return entry

    def _proc_member(self, archive: tarfile.TarFile) -> tarfile.TarInfo:
        if self.type in _PAX and self.size <= MAX_HEADER:
            return self._proc_pax(archive)
        if self.type not in tarfile.SUPPORTED_TYPES or self.type in (tarfile.GNUTYPE_SPARSE, tarfile.CONTTYPE):
            raise tarfile.HeaderError("an entry of a kind that is not supported")
        if self.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) and self.size > MAX_HEADER:
            raise tarfile.HeaderError("a header is too large")
        member: tarfile.TarInfo = super()._proc_member(archive)  # type: ignore[misc]  # the only hook there is
        return member


def _records(data: bytes) -> dict[str, str]:
    """Return what a PAX header says about names (POSIX.1, pax).

    A record is ``LENGTH KEY=VALUE`` and a newline; LENGTH counts all of it, in octets.
    Times, owners and the rest are ours in any case. What changes where the next entry begins, or what is in a file, is
    refused: a file of 8 GiB or a sparse one.
    """
    names: dict[str, str] = {}
    begin = 0
    while begin < len(data):
        found = _RECORD.match(data, begin)
        end = begin + int(found[1]) if found else 0
        if found is None or not found.end() < end <= len(data) or data[end - 1 : end] != b"\n":
            raise tarfile.HeaderError("a PAX header is broken")
        key = found[2].decode()
        if key == "size" or key.startswith("GNU.sparse."):
            raise tarfile.HeaderError("an entry of a kind that is not supported")
        if key in {"path", "linkpath"}:
            names[key] = data[found.end() : end - 1].decode()
        begin = end
    return names


def unpack(stream: IO[bytes], target: Path, bounds: Bounds) -> int:
    """Fill the empty folder ``target``; return how many entries were made. It blocks: run it in a thread.

    ``stream`` can seek. `InvalidError` (with ``path``) for what is no tar or not allowed in one, `ExhaustedError`
    beyond the bounds or on a full disk. What was made until then is the caller's to remove.
    """
    count = octets = 0
    links: list[tuple[PurePosixPath, str]] = []
    try:
        with tarfile.open(fileobj=stream, mode=_mode(stream), tarinfo=_Entry) as archive:
            for member in _members(archive):
                count += 1
                octets += member.size
                if count > bounds.entries or octets > bounds.octets or member.size > bounds.file:
                    raise ExhaustedError(
                        f"The upload is larger than {bounds.octets >> 20} MiB or has more than {bounds.entries} files.",
                        path=_shown(member.name),
                    )
                path = _path(member.name, bounds)
                if member.issym():
                    links.append((path, member.linkname))
                else:
                    _make(archive, member, target / path, target / _path(member.linkname, bounds))
        _link(target, links)
    except _MALFORMED as error:
        raise InvalidError("The upload is no tar stream, or a broken one.", detail=str(error)) from error
    except OSError as error:
        raise _told(error) from error
    if count == 0:
        raise InvalidError("There is nothing in the upload.")
    return count


def _mode(stream: IO[bytes]) -> Literal["r|", "r|gz"]:
    # Not "r|*": bzip2 and xz let their sender choose how much memory we need.
    magic = stream.read(2)
    stream.seek(0)
    return "r|gz" if magic == _GZIP else "r|"


def _members(archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    while (member := archive.next()) is not None:
        # It keeps all members otherwise: 100 MB for the 100,000 that are allowed.
        archive.members = []  # type: ignore[attr-defined]  # as its documentation has it, unlike its types
        yield member


def _path(name: str, bounds: Bounds) -> PurePosixPath:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\0" in name:
        raise InvalidError(f"A path in the upload leads out of it: {_shown(name)}", path=_shown(name))
    if len(os.fsencode(name)) > bounds.path or len(path.parts) > bounds.depth:
        raise InvalidError(f"A path in the upload is too long or too deep: {_shown(name)}", path=_shown(name))
    return path


def _shown(name: str) -> str:
    return name.encode("utf-8", "backslashreplace").decode()[:200]


def _make(archive: tarfile.TarFile, member: tarfile.TarInfo, path: Path, original: Path) -> None:
    """Make a folder, file or hard link. Symbolic links come last, so no path leads through one here."""
    if member.isdir():
        path.mkdir(mode=0o755, parents=True, exist_ok=True)
        return
    if not (member.isreg() or member.islnk()):
        raise InvalidError(f"The upload has a device or a pipe: {_shown(member.name)}", path=_shown(member.name))
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    if member.islnk():
        os.link(original, path, follow_symlinks=False)
        return
    content = archive.extractfile(member)
    if content is None:
        raise InvalidError(f"A file in the upload has no content: {_shown(member.name)}", path=_shown(member.name))
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    with open(path, "wb", opener=lambda name, _: os.open(name, flags, 0o644)) as file:
        while part := content.read(CHUNK):
            file.write(part)
        if member.mode & 0o100:
            os.fchmod(file.fileno(), 0o755)


def _link(target: Path, links: list[tuple[PurePosixPath, str]]) -> None:
    """Make symbolic links, then see where each leads with all the others in place: only that is the truth."""
    for path, destination in links:
        if destination.startswith("/") or "\0" in destination or not path.parts:
            raise InvalidError(f"A link in the upload leads out of it: {_shown(str(path))}", path=_shown(str(path)))
        (target / path).parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        (target / path).symlink_to(destination)
    root = os.path.realpath(target)
    for path, _ in links:
        # Not strict: a link to what a build makes later may dangle, and a loop leads nowhere.
        real = os.path.realpath(target / path)
        if real != root and not real.startswith(root + os.sep):
            raise InvalidError(f"A link in the upload leads out of it: {_shown(str(path))}", path=_shown(str(path)))


def _told(error: OSError) -> InvalidError | ExhaustedError | UnavailableError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return ExhaustedError("The disk is full.")
    if error.errno in (errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.ENOENT):
        return InvalidError(
            "Two entries of the upload contradict each other, or a name is too long.", detail=str(error)
        )
    return UnavailableError("The upload could not be unpacked.", detail=str(error))
