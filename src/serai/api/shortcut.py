"""The short way of a read whose answer is at hand: from the parser through the guard to the socket.

It is for what programs ask again and again. The framework has answered the very same URL before, and nothing has
changed since. What is left is who asks now, and that goes the way of all requests: recognised at the one entrance,
counted, authorised. Whatever is out of the ordinary takes the long way.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from serai.api.entrance import seen
from serai.api.guard import FAILED, Guard
from serai.api.reads import Answer, Meaning, Reads, url_of

#: What asks for more than an answer, or brings more than a head.
_UNUSUAL = frozenset(
    {b"content-length", b"expect", b"if-match", b"if-none-match", b"range", b"transfer-encoding", b"upgrade"}
)


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
        return answer if answer is not None and meaning is not None and self._admits(scope, meaning) else None

    def _admits(self, scope: dict[str, Any], meaning: Meaning) -> bool:
        shown = seen(scope)
        if not _UNUSUAL.isdisjoint(shown.fields):
            return False
        try:
            self._guard.admit(shown, meaning.action, meaning.target, scope["state"])
        except Exception as error:  # noqa: BLE001 - raised anew by the guard, where all errors are answered
            scope["state"][FAILED] = error
            return False
        return True

    async def make(self, scope: dict[str, Any]) -> Answer | None:
        """Return the answer to a GET, which was understood before but has to be made anew."""
        meaning = None if scope["method"] != "GET" or FAILED in scope["state"] else self._reads.meaning(url_of(scope))
        if meaning is None or not self._admits(scope, meaning):
            return None
        try:
            return await self._reads.get(meaning.key, meaning.make)
        except Exception as error:  # noqa: BLE001 - as above
            scope["state"][FAILED] = error
            return None


def fields_of(answer: Answer) -> list[tuple[bytes, bytes]]:
    """Return the header fields of an answer."""
    fields = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(answer.body))]
    return [*fields, (b"etag", answer.tag.encode())] if answer.tag else fields


def octets_of(answer: Answer, more: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Return an answer, with more header fields, as a whole response (RFC 9112 section 2.1)."""
    lines = b"".join([b"%b: %b\r\n" % field for field in (*fields_of(answer), *more)])
    return b"HTTP/1.1 200 OK\r\n%b\r\n%b" % (lines, answer.body)
