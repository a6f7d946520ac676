"""A form with a file of any length: its fields are read first, then the file passes through, in pieces.

The fields stand before the file, as they do on the page; what follows the file is refused.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Generic, TypeVar

import msgspec
from multipart import MultipartError, MultipartSegment, PushMultipartParser

from serai.api.entrance import refuse_foreign, seen
from serai.console import forms
from serai.console.forms import Form, Pairs
from serai.console.tokens import is_form_token
from serai.console.visit import Visit
from serai.errors import ConflictError, InvalidError

T = TypeVar("T", bound=msgspec.Struct)
MAX_FIELD = 16384  # octets
#: RFC 7578 section 4, with a boundary as RFC 2046 section 5.1.1 has it.
_BOUNDARY = re.compile(
    r"multipart/form-data\s*;\s*boundary=(?:\"([0-9A-Za-z'()+_,./:=? -]{1,70})\"|([0-9A-Za-z'+_.-]{1,70}))",
    re.IGNORECASE,
)


class Streamed(Generic[T]):
    """A form of the struct ``kind`` that came with a file in the field ``file``."""

    def __init__(self, form: Form[T], events: AsyncIterator[MultipartSegment | bytes | None], *, there: bool) -> None:
        self.form = form
        self.there = there  # a file was chosen
        self._events = events

    async def octets(self) -> AsyncIterator[bytes]:
        """Yield the file as it comes; `InvalidError` where something else comes after it."""
        async for event in self._events:
            if isinstance(event, MultipartSegment):
                raise InvalidError("A form has one file, and it comes last.", path=event.name[: forms.MAX_NAME])
            if event is not None:
                yield bytes(event)

    async def leave(self) -> None:
        """Read the rest and drop it: a browser that still sends would not look at an answer."""
        async for _ in self._events:
            pass


async def streamed(visit: Visit, kind: type[T]) -> Streamed[T]:
    """Read the fields of a form with a file, once it is seen who sent it."""
    shown = seen(visit.request.scope)
    refuse_foreign(shown)
    found = _BOUNDARY.fullmatch(shown.field(b"content-type").strip())
    if found is None:
        raise InvalidError("A form with a file is sent as multipart/form-data.")
    events = _events(visit, found[1] or found[2])
    pairs, there = await _fields(events)
    token = next((value for name, value in pairs if name == forms.TOKEN), "")
    if not is_form_token(token, visit.session):
        raise ConflictError("That form is from another session: load the page again, then send it.")
    visit.form = Form(kind, pairs, sent=True)
    return Streamed(visit.form, events, there=there)


async def _events(visit: Visit, boundary: str) -> AsyncIterator[MultipartSegment | bytes | None]:
    try:
        parser = PushMultipartParser(boundary, max_segment_count=forms.MAX_FIELDS, strict=True)
        async for chunk in visit.request.stream():
            for event in parser.parse(chunk) if chunk else ():
                yield event
        parser.close()
    except MultipartError as error:
        raise InvalidError("The form is cut off, or is none.") from error


async def _fields(events: AsyncIterator[MultipartSegment | bytes | None]) -> tuple[Pairs, bool]:
    """Return all fields before the file, and whether there is one."""
    pairs: list[tuple[str, str]] = []
    name, value = "", bytearray()
    async for event in events:
        if isinstance(event, MultipartSegment):
            if event.filename is not None:
                return tuple(pairs), bool(event.filename)
            name, value = event.name, bytearray()
        elif event is not None:
            value += event
            if len(value) > MAX_FIELD or len(name) > forms.MAX_NAME:
                raise InvalidError("A field is too long.", path=name[: forms.MAX_NAME])
        else:
            pairs.append((name, _text(value, name)))
    return tuple(pairs), False


def _text(octets: bytearray, name: str) -> str:
    try:
        text = octets.decode()
    except UnicodeDecodeError:
        raise InvalidError("The form is not UTF-8.", path=name) from None
    if "\0" in text:
        raise InvalidError("A field holds a NUL.", path=name)
    return text.replace("\r\n", "\n")
