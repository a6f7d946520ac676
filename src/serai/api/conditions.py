"""Conditions of requests on the version of what they name (RFC 9110 section 13.1): its version is its entity tag."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from litestar import Request

from serai.api.reads import NOT_MODIFIED, Answer
from serai.errors import ConflictError, InvalidError

_VERSION = re.compile(r'(?:W/)?"(\d{1,18})"\Z')
_ONE = re.compile(r'(W/)?("[^"]*")[ \t]*(?:,[ \t,]*|\Z)')  # of a list of entity tags

_SAFE = frozenset({"GET", "HEAD"})


def expectation(request: Request[Any, Any, Any]) -> int | None:
    """Return the version that a write is bound to: None for any, 0 for «must not exist».

    `InvalidError` for a condition that can't be one, so that nobody writes who meant to write only perhaps.
    """
    bound = "if-match" in request.headers
    if request.method in _SAFE:
        return None  # `judged` sees to it, once it is known what is there
    if "if-none-match" in request.headers:
        if bound:
            raise InvalidError("What has a version is there: both conditions can't hold.", path="if-match")
        if _joined(request.scope["headers"], b"if-none-match") != "*":
            raise InvalidError("If-None-Match of a write is *.", path="if-none-match")
        return 0
    if not bound:
        return None
    match = _joined(request.scope["headers"], b"if-match")
    if match == "*":
        return None
    found = _VERSION.fullmatch(match)
    if found is None:
        raise InvalidError('If-Match is one version in quotes, such as "3".', path="if-match")
    return int(found[1])


def judged(answer: Answer, headers: Iterable[tuple[bytes, bytes]]) -> Answer:
    """Return the answer to a read under its conditions, in their order (RFC 9110 section 13.2.2).

    `ConflictError` where If-Match names other tags only, `InvalidError` where it names none. There tags compare
    strongly (section 8.8.3.2).
    """
    if answer.tag and any(key == b"if-match" for key, _ in headers):
        match = _joined(headers, b"if-match")
        tags = _tags(match)
        if match != "*" and not tags:
            raise InvalidError('If-Match is a list of tags in quotes, such as "3".', path="if-match")
        if match != "*" and ("", answer.tag) not in tags:
            raise ConflictError("It is not what If-Match names.", version=answer.tag.strip('"'))
    return unless_known(answer, headers)


def unless_known(answer: Answer, headers: Iterable[tuple[bytes, bytes]]) -> Answer:
    """Return the answer to a read, or else that who asks has it: by the header fields of an ASGI scope."""
    if answer.tag and knows(_joined(headers, b"if-none-match"), answer.tag):
        return msgspec.structs.replace(answer, body=b"", status=NOT_MODIFIED)
    return answer


def knows(given: str, tag: str) -> bool:
    """Tell whether If-None-Match names a tag, or is ``*`` (RFC 9110 section 13.1.2; tags compare weakly, 8.8.3.2).

    What is no list of tags names none: who sends it gets all.
    """
    return given == "*" or any(one == tag for _, one in _tags(given))


def _tags(given: str) -> Sequence[tuple[str, str]]:
    """Return the tags of a list, each after its mark of weakness or ""; none for what is no such list."""
    found, at = [], 0
    while at < len(given):
        one = _ONE.match(given, at)
        if one is None:
            return ()
        found.append((one[1] or "", one[2]))
        at = one.end()
    return found


def _joined(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> str:
    """Return all fields of a name as the one that they mean (RFC 9110 section 5.3)."""
    return b", ".join(value for key, value in headers if key == name).decode("latin-1").strip(" \t,")
