"""Scripts, styles and pictures: packed once, at addresses that change with their content, kept by browsers for good.

All share one address, so that a module finds its siblings by relative names.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from pathlib import Path

import msgspec

FOLDER = Path(__file__).parent / "assets"
PREFIX = "/assets/"
_TYPES: Mapping[str, bytes] = {
    ".css": b"text/css; charset=utf-8",
    ".js": b"text/javascript; charset=utf-8",
    ".svg": b"image/svg+xml",
    ".txt": b"text/plain; charset=utf-8",
}
_FOR_GOOD = b"public, max-age=31536000, immutable"


class Asset(msgspec.Struct, frozen=True):
    """A file: its type, its octets, and the same packed where that is smaller."""

    kind: bytes
    plain: bytes
    packed: bytes


class Assets:
    """All files below a folder."""

    def __init__(self, folder: Path = FOLDER) -> None:
        paths = sorted(path for path in folder.rglob("*") if path.suffix in _TYPES)
        digest = hashlib.sha256()
        self._found: dict[str, Asset] = {}
        for path in paths:
            plain = path.read_bytes()
            name = path.relative_to(folder).as_posix()
            digest.update(f"{name}\0{len(plain)}\0".encode() + plain)
            packed = gzip.compress(plain, 9, mtime=0)
            self._found[name] = Asset(_TYPES[path.suffix], plain, packed if len(packed) < len(plain) else b"")
        self.version = digest.hexdigest()[:16]

    def url(self, name: str) -> str:
        """Return a file's address; `KeyError` for none of them, which shows when a template is compiled."""
        if name not in self._found:
            raise KeyError(name)
        return f"{PREFIX}{self.version}/{name}"

    def names(self) -> list[str]:
        """Return all names."""
        return list(self._found)

    def answer(self, path: str, encodings: str) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        """Return status, header fields and body for a path below `PREFIX`.

        A page from before an upgrade asks for what it knew: it gets what there is now, and does not keep it.
        """
        version, _, name = path.removeprefix(PREFIX).partition("/")
        asset = self._found.get(name)
        if asset is None:
            return 404, [(b"content-type", b"text/plain"), (b"content-length", b"0")], b""
        body = asset.packed if asset.packed and "gzip" in encodings else asset.plain
        fields = [
            (b"content-type", asset.kind),
            (b"content-length", b"%d" % len(body)),
            (b"cache-control", _FOR_GOOD if version == self.version else b"no-cache"),
            (b"vary", b"accept-encoding"),
        ]
        if body is asset.packed:
            fields.append((b"content-encoding", b"gzip"))
        return 200, fields, body
