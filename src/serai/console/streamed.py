"""A form with a file of any length: its fields are read first, then the file passes through, in pieces.

The fields stand before the file, as they do on the page; what follows the file is refused.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

from litestar import Request
from multipart import MultipartError, MultipartSegment, PushMultipartParser

from serai.console import forms
from serai.console.forms import Pairs
from serai.errors import InvalidError

MAX_FIELD = 16384  # octets
MAX_LEFT = 1 << 30  # octets of a file that nobody wants, which are read all the same
#: RFC 7578 section 4, with a boundary as RFC 2046 section 5.1.1 has it.
_BOUNDARY = re.compile(
    r"multipart/form-data\s*;\s*boundary=(?:\"([0-9A-Za-z'()+_,./:=? -]{1,70})\"|([0-9A-Za-z'+_.-]{1,70}))",
    re.IGNORECASE,
)


class Incoming:
    """A form that comes: `fields` first, then `octets` of its file, whose ``name`` is "" where none was chosen."""

    def __init__(self, request: Request[Any, Any, Any]) -> None:
        self.name = ""
        self._receive = request.receive
        self._complete = False
        found = _BOUNDARY.fullmatch(request.headers.get("content-type", "").strip())
        self._events = self._parsed(found[1] or found[2]) if found is not None else None

    async def fields(self) -> Pairs:
        """Return all fields before the file."""
        if self._events is None:
            raise InvalidError("A form with a file is sent as multipart/form-data.")
        pairs: list[tuple[str, str]] = []
        name, value, size = "", bytearray(), 0
        async for event in self._events:
            if isinstance(event, MultipartSegment):
                if event.filename is not None:
                    self.name = event.filename
                    break
                name, value = event.name, bytearray()
            elif event is not None:
                value += event
                size += len(event)
                if len(value) > MAX_FIELD or len(name) > forms.MAX_NAME or size > forms.MAX_FORM:
                    raise InvalidError("A field is too long.", path=name[: forms.MAX_NAME])
            else:
                pairs.append((name, _text(value, name)))
        return tuple(pairs)

    async def octets(self) -> AsyncIterator[bytes]:
        """Yield the file as it comes; `InvalidError` where something else comes after it."""
        if self._events is None:
            return
        async for event in self._events:
            if isinstance(event, MultipartSegment):
                raise InvalidError("A form has one file, and it comes last.", path=event.name[: forms.MAX_NAME])
            if event is not None:
                yield bytes(event)

    async def leave(self) -> None:
        """Read the rest and drop it, up to a bound: a browser that still sends would not look at an answer."""
        left = MAX_LEFT
        async for chunk in self._chunks():
            left -= len(chunk)
            if left < 0:
                return

    async def _parsed(self, boundary: str) -> AsyncIterator[MultipartSegment | bytes | None]:
        try:
            parser = PushMultipartParser(boundary, max_segment_count=forms.MAX_FIELDS, strict=True)
            async for chunk in self._chunks():
                for event in parser.parse(chunk) if chunk else ():
                    yield event
            parser.close()
        except MultipartError as error:
            raise InvalidError("The form is cut off, or is none.") from error

    async def _chunks(self) -> AsyncIterator[bytes]:
        """Yield what comes from here on. Whoever read up to here may have been stopped at any place."""
        while not self._complete:
            message: Any = await self._receive()
            self._complete = not message.get("more_body", False)  # or the client is gone
            yield message.get("body", b"")


def _text(octets: bytearray, name: str) -> str:
    try:
        text = octets.decode()
    except UnicodeDecodeError:
        raise InvalidError("The form is not UTF-8.", path=name) from None
    if "\0" in text:
        raise InvalidError("A field holds a NUL.", path=name)
    return text.replace("\r\n", "\n")
