"""What can go wrong with a request, as its description says it: one answer for each code, and who may ask."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

from litestar.handlers import HTTPRouteHandler

from serai import errors
from serai.api.problems import MEDIA_TYPE, STATUS, UNKNOWN
from serai.identity.roles import OPEN_TO_ALL, OPEN_TO_KNOWN, OPEN_TO_USERS

PLACE = "#/components/responses/"
TOO_LARGE = 413

#: How a request shows who asks; `serai.api.entrance` reads them.
SECURITY: Mapping[str, dict[str, str]] = {
    "token": {"type": "http", "scheme": "bearer", "description": "An API token. A wrong one makes a request nobody's."},
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "__Host-serai",
        "description": "The session of a browser that signed in; what changes something must come from the same site.",
    },
    "socket": {
        "type": "http",
        "scheme": "x-unix-peer",
        "description": "On the Unix socket of the home: the kernel says who asks, so nothing needs to be sent.",
    },
}

_WORDS: Mapping[int, str] = {
    UNKNOWN: "Nobody was recognised.",
    TOO_LARGE: "The body is larger than is taken here.",
}
_HEADERS: Mapping[int, dict[str, Any]] = {
    UNKNOWN: {"WWW-Authenticate": {"schema": {"type": "string"}, "required": True}},
    STATUS["exhausted"]: {"Retry-After": {"description": "Seconds.", "schema": {"type": "string"}}},
}


def responses() -> dict[str, Any]:
    """Return the answers that are errors, by what operations call them."""
    words = {status: " ".join((errors.BY_CODE[code].__doc__ or "").split()) for code, status in STATUS.items()}
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    made = {}
    for status, text in (words | dict(_WORDS)).items():
        made[_name(status)] = {"description": text, "content": content}
        if status in _HEADERS:
            made[_name(status)]["headers"] = _HEADERS[status]
    return made


def of(handler: HTTPRouteHandler, action: str, path: str, *, body: bool) -> dict[str, Any]:
    """Return the errors that a route answers with, by status."""
    return {
        str(status): {"$ref": PLACE + _name(status)} for status in sorted(set(_statuses(handler, action, path, body)))
    }


def security(action: str) -> list[dict[str, list[str]]]:
    """Return who may ask: one of these is enough, and none is needed where the list is empty."""
    if action in OPEN_TO_ALL:
        return []
    names = [name for name in SECURITY if name != "token" or action not in OPEN_TO_USERS]
    return [{name: []} for name in names]


def _statuses(handler: HTTPRouteHandler, action: str, path: str, body: bool) -> Iterator[int]:
    writes = not handler.http_methods <= {"GET", "HEAD"}
    yield from (STATUS[code] for code in ("invalid", "exhausted", "internal", "unavailable", "deadline"))
    if action not in OPEN_TO_ALL:
        yield UNKNOWN
    if writes or action not in OPEN_TO_ALL | OPEN_TO_KNOWN:
        yield STATUS["denied"]
    if "{" in path or body or action not in OPEN_TO_ALL | OPEN_TO_KNOWN | OPEN_TO_USERS:
        yield STATUS["not_found"]
    if writes or "Wanted-Tag" in handler.opt.get("heads", ()):
        yield STATUS["conflict"]
    if writes:
        yield STATUS["unsupported"]
    if body:
        yield TOO_LARGE


def _name(status: int) -> str:
    return "".join(word.capitalize() for word in HTTPStatus(status).phrase.split())
