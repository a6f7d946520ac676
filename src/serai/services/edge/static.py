"""Static files: which answer a path gets, with its validators (RFC 9110 §8.8).

A `StaticFiles` keeps what it opened, small contents in memory, and looks at the disk again after a second. It plans;
the session sends. A path never leaves its folder, whatever links lie in it: the kernel resolves it beneath.
"""

from __future__ import annotations

import stat
from collections import OrderedDict
from collections.abc import Mapping
from email.utils import formatdate
from mimetypes import MimeTypes
from urllib.parse import quote_from_bytes, unquote_to_bytes

from serai.services.edge.static_conditions import CONDITIONS, conditional
from serai.services.edge.static_open import OpenFile, open_beneath
from serai.services.edge.static_plan import Entry, FileBody, StaticPlan, plain

SMALL = 16 * 1024  # octets; up to this size a file's content is kept in memory
RECHECK = 1.0  # seconds between two looks at the disk
MAX_OPEN = 512  # entries kept; the least recently used go first
MAX_PATH = 4096  # octets

SUFFIXES = {b"br": b".br", b"gzip": b".gz"}  # of precompressed files, the best coding first

_Key = tuple[str, bytes, tuple[bytes, ...]]  # folder, path, codings that the visitor accepts

_PRIVATE = {b"app.toml", b"Procfile"}  # tell the platform, not visitors, about a site that is a release's root

_TYPES = MimeTypes()
_EXTRA_TYPES = {
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".wasm": "application/wasm",
    ".webp": "image/webp",
    ".avif": "image/avif",
    ".woff2": "font/woff2",
    ".webmanifest": "application/manifest+json",
    ".md": "text/markdown",
}
_TEXTUAL = ("application/json", "application/xml", "application/manifest+json", "image/svg+xml")


class StaticFiles:
    """Plan answers for files below release folders. One per worker; not for several threads."""

    def __init__(self) -> None:
        self._entries: OrderedDict[_Key, Entry] = OrderedDict()
        self._accepted: dict[bytes, tuple[bytes, ...]] = {b"": ()}  # headers that browsers send, already read

    def plan(
        self, folder: str, path: bytes, method: bytes, headers: Mapping[bytes, bytes], *, now: float
    ) -> StaticPlan:
        """Return the answer to ``method path``.

        ``path`` is the request's path below the route, as it was sent (percent-encoded, with its leading slash, no
        query); ``headers`` have lower-case names; ``now`` is the loop's time in seconds.
        """
        accepted = headers.get(b"accept-encoding", b"")
        wanted = self._accepted.get(accepted)
        if wanted is None:
            wanted = _accepted(accepted)
            if len(self._accepted) < MAX_OPEN:
                self._accepted[accepted] = wanted
        key = (folder, path, wanted)
        entry = self._entries.get(key)
        if entry is None or now - entry.checked > RECHECK:
            found = self._look(key, entry, now)
            if isinstance(found, StaticPlan):
                return found
            entry = found
        if method not in {b"GET", b"HEAD"}:
            return plain(405, b"Only GET and HEAD are served here.\n", (b"Allow", b"GET, HEAD"))
        for name in CONDITIONS:
            if name in headers:
                return conditional(entry, method, headers)
        return entry.whole

    def _look(self, key: _Key, entry: Entry | None, now: float) -> Entry | StaticPlan:
        folder, path, wanted = key
        name = _file_name(path)
        if name is None:
            return plain(404, b"Not found.\n")
        candidate, encoding = _open(folder, name, wanted)
        if candidate is None:
            self._entries.pop(key, None)
            return _missing(folder)
        if stat.S_ISDIR(candidate.mode):
            # Relative, since only the edge knows under which prefix the visitor sees this folder.
            location = b"./" + quote_from_bytes(name.rpartition(b"/")[2]).encode() + b"/"
            return plain(308, b"", (b"Location", location)) if not path.endswith(b"/") else _missing(folder)
        if not stat.S_ISREG(candidate.mode):
            return _missing(folder)
        if entry is not None and entry.file.identity == candidate.identity:
            entry.checked = now
            return entry
        entry = _entry(candidate, name, encoding, now)
        self._entries[key] = entry
        self._entries.move_to_end(key)
        if len(self._entries) > MAX_OPEN:
            self._entries.popitem(last=False)
        return entry


def _file_name(path: bytes) -> bytes | None:
    """Return the path relative to the folder, or None where no file may have it."""
    if len(path) > MAX_PATH or not path.startswith(b"/"):
        return None
    name = unquote_to_bytes(path)[1:]
    if name.endswith(b"/") or not name:
        name += b"index.html"
    parts = name.split(b"/")
    if b"\0" in name or any(part in {b"", b".", b".."} for part in parts):
        return None
    if name in _PRIVATE:
        return None
    # Files whose name begins with a dot are not meant for visitors; RFC 8615 makes one exception.
    if any(part.startswith(b".") and not (at == 0 and part == b".well-known") for at, part in enumerate(parts)):
        return None
    return name


def _open(folder: str, name: bytes, wanted: tuple[bytes, ...]) -> tuple[OpenFile | None, bytes]:
    for encoding in wanted:
        file = open_beneath(folder, name + SUFFIXES[encoding])
        if file is not None and stat.S_ISREG(file.mode):
            return file, encoding
    return open_beneath(folder, name), b""


def _accepted(header: bytes) -> tuple[bytes, ...]:
    """Return our codings that Accept-Encoding allows, best first (RFC 9110 §12.5.3); a weight of 0 forbids."""
    wanted = set()
    for item in header.lower().split(b","):
        coding, _, weight = item.partition(b";")
        if weight.replace(b" ", b"").rstrip(b".0") != b"q=":
            wanted.add(coding.strip())
    return tuple(coding for coding in SUFFIXES if coding in wanted)


def _entry(file: OpenFile, name: bytes, encoding: bytes, now: float) -> Entry:
    etag = b'"%x-%x%s"' % (file.mtime_ns, file.size, b"-" + encoding if encoding else b"")
    headers = [
        (b"Content-Type", _type(name)),
        (b"ETag", etag),
        (b"Last-Modified", formatdate(file.mtime_ns // 10**9, usegmt=True).encode()),
        (b"Accept-Ranges", b"bytes"),
        (b"Vary", b"Accept-Encoding"),
        (b"Content-Length", b"%d" % file.size),
    ]
    if encoding:
        headers.append((b"Content-Encoding", encoding))
    body = file.read(0, file.size) if file.size <= SMALL else FileBody(file, 0, file.size)
    return Entry(now, file, etag, file.mtime_ns // 10**9, StaticPlan(200, tuple(headers), body))


def _type(name: bytes) -> bytes:
    text = name.decode("utf-8", "replace")
    ending = "." + text.rpartition(".")[2].lower()
    kind = _EXTRA_TYPES.get(ending) or _TYPES.guess_type(text)[0] or "application/octet-stream"
    return (f"{kind}; charset=utf-8" if kind.startswith("text/") or kind in _TEXTUAL else kind).encode()


def _missing(folder: str) -> StaticPlan:
    """Answer 404 with the site's own page where it brings one."""
    page = open_beneath(folder, b"404.html")
    if page is None or not stat.S_ISREG(page.mode) or page.size > SMALL:
        return plain(404, b"Not found.\n")
    text = page.read(0, page.size)
    return StaticPlan(
        404, ((b"Content-Type", b"text/html; charset=utf-8"), (b"Content-Length", b"%d" % len(text))), text
    )
