"""What is known of a static file, and what is planned to be answered from it."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from serai.services.edge.static_open import OpenFile


class FileBody(NamedTuple):
    """Octets ``offset`` to ``offset + length`` of an open file; the file stays open while this is referred to."""

    file: OpenFile
    offset: int
    length: int


class StaticPlan(msgspec.Struct, frozen=True):
    """An answer: status, headers (Content-Length included), and what follows unless the method is HEAD."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes | FileBody


class Entry(msgspec.Struct):
    """One path of one folder in one encoding, as it was when last looked at."""

    checked: float
    file: OpenFile
    etag: bytes
    modified: int  # whole seconds since the epoch, as HTTP dates are
    whole: StaticPlan


def plain(status: int, text: bytes, *headers: tuple[bytes, bytes]) -> StaticPlan:
    """Answer with a line of text."""
    length = (b"Content-Length", b"%d" % len(text))
    return StaticPlan(status, ((b"Content-Type", b"text/plain; charset=utf-8"), length, *headers), text)
