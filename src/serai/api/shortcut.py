"""The short way of a read whose answer is at hand: from the parser through the guard to the socket.

It is for what programs ask again and again. The framework has answered the very same URL before, and nothing has
changed since. What is left is who asks now, and that goes the way of all requests: recognised at the one entrance,
counted, authorised. Whatever is out of the ordinary takes the long way.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from serai.api.conditions import unless_known
from serai.api.entrance import Shown, seen
from serai.api.guard import FAILED, Guard
from serai.api.reads import OK, Answer, Meaning, Reads, url_of

#: What asks for more than an answer, or brings more than a head.
_UNUSUAL = frozenset({b"content-length", b"expect", b"if-match", b"range", b"transfer-encoding", b"upgrade"})


REVALIDATED = (b"cache-control", b"private, no-cache")
UNKEPT = (b"cache-control", b"no-store")


class Shortcut:
    """Answer reads without the framework; ``scope`` is one of ASGI.

    None means that the framework is to be asked: for what is not known, and to tell of an error, which its guard finds
    in the scope's state.
    """

    def __init__(self, guard: Guard, reads: Reads) -> None:
        self._guard = guard
        self._reads = reads

    def find(self, scope: dict[str, Any], url: bytes) -> Answer | None:
        """Return the answer to a GET that is at hand."""
        meaning = self._reads.meaning(url)
        answer = None if meaning is None else self._reads.at_hand(meaning.key)
        if answer is None or meaning is None:
            return None
        shown = self._admitted(scope, meaning)
        return None if shown is None else _fitting(answer, shown, scope)

    def _admitted(self, scope: dict[str, Any], meaning: Meaning) -> Shown | None:
        shown = seen(scope)
        if not _UNUSUAL.isdisjoint(shown.fields):
            return None
        try:
            self._guard.admit(shown, meaning.action, meaning.target, scope["state"])
        except Exception as error:  # noqa: BLE001 - raised anew by the guard, where all errors are answered
            scope["state"][FAILED] = error
            return None
        return shown

    async def make(self, scope: dict[str, Any]) -> Answer | None:
        """Return the answer to a GET, which was understood before but has to be made anew."""
        meaning = None if scope["method"] != "GET" or FAILED in scope["state"] else self._reads.meaning(url_of(scope))
        shown = None if meaning is None else self._admitted(scope, meaning)
        if meaning is None or shown is None:
            return None
        try:
            return _fitting(await self._reads.get(meaning.key, meaning.make), shown, scope)
        except Exception as error:  # noqa: BLE001 - as above
            scope["state"][FAILED] = error
            return None


def _fitting(answer: Answer, shown: Shown, scope: dict[str, Any]) -> Answer:
    return unless_known(answer, scope["headers"]) if b"if-none-match" in shown.fields else answer


def fields_of(answer: Answer) -> list[tuple[bytes, bytes]]:
    """Return the header fields of an answer (RFC 9110 section 15.4.5 for one without a body)."""
    if answer.status != OK:
        return [(b"etag", answer.tag.encode()), REVALIDATED]
    fields = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(answer.body))]
    return [*fields, (b"etag", answer.tag.encode()), REVALIDATED] if answer.tag else fields


def keeping(fields: Iterable[tuple[bytes, bytes]]) -> tuple[tuple[bytes, bytes], ...]:
    """Return what an answer's header fields lack to tell who may keep it (RFC 9111 section 5.2.2).

    It is somebody's own: no cache between keeps it, and their own asks again. What can't be asked for again is not
    kept at all.
    """
    names = {name for name, _ in fields}
    if b"cache-control" in names:
        return ()
    return (REVALIDATED,) if b"etag" in names else (UNKEPT,)


def octets_of(answer: Answer, more: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Return an answer, with more header fields, as a whole response (RFC 9112 section 2.1)."""
    lines = b"".join([b"%b: %b\r\n" % field for field in (*fields_of(answer), *more)])
    status = b"200 OK" if answer.status == OK else b"304 Not Modified"
    return b"HTTP/1.1 %b\r\n%b\r\n%b" % (status, lines, answer.body)
