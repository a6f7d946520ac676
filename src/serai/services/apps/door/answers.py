"""What the door answers: JSON, streams of JSON lines, streams of events; and what an error becomes."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Mapping
from typing import Any

import msgspec

from serai.errors import SeraiError

JSON, LINES, EVENTS, PROBLEM = "application/json", "application/jsonl", "text/event-stream", "application/problem+json"

#: The one table from error code to HTTP status at the door (RFC 9110 section 15); the API's says the same.
STATUS: Mapping[str, int] = {
    "not_found": 404,
    "already_exists": 409,
    "invalid": 400,
    "conflict": 409,
    "denied": 403,
    "exhausted": 429,
    "unavailable": 503,
    "deadline": 504,
    "unsupported": 501,
    "internal": 500,
}


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """A whole answer, or the head of a stream; ``headers`` come in addition."""

    status: int = 200
    kind: str = JSON
    body: bytes = b""
    stream: AsyncIterator[bytes] | None = None
    headers: Mapping[str, str] = {}


def of(value: Any, status: int = 200) -> Answer:
    """Return a value as JSON."""
    return Answer(status=status, body=msgspec.json.encode(value))


def lines(stream: AsyncIterator[bytes]) -> Answer:
    """Return JSON lines as they come."""
    return Answer(kind=LINES, stream=stream)


def events(stream: AsyncIterator[bytes]) -> Answer:
    """Return server-sent events as they come."""
    return Answer(kind=EVENTS, stream=stream, headers={"Cache-Control": "no-store"})


def problem(error: SeraiError, status: int = 0, after: float = 0.0) -> Answer:
    """Return an error as problem details (RFC 9457); ``after``: seconds until another attempt makes sense.

    In the field they are whole ones (RFC 9110 section 10.2.3), and never 0, which would say nothing.
    """
    status = status or STATUS.get(error.code, 500)
    fields = {name: value for name, value in error.fields.items() if isinstance(value, (str, int, float, bool))}
    body = {
        "title": error.code.replace("_", " "), "status": status, "detail": error.public, "code": error.code,
        "temporary": error.temporary, "fields": fields,
    }  # fmt: skip
    wait = {"Retry-After": str(math.ceil(after))} if after > 0 else {}
    return Answer(status=status, kind=PROBLEM, body=msgspec.json.encode(body), headers=wait)
