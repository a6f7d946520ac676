"""Lines of an app's logs as they come: the agent is asked again and again, and nothing is told twice."""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import AsyncIterator, Iterable
from typing import Any, NamedTuple

import msgspec

from serai.bus import Bus
from serai.services.apps.logs import BEFORE, SUBJECT, Ask, Cursor, Piece

PAUSE = 0.3  # seconds between two looks at what is followed


class Line(NamedTuple):
    """A line, and the source that has it."""

    source: str
    text: str


async def stream(
    bus: Bus,
    tenant: str,
    app: str,
    *,
    name: str = "",
    lines: int = 100,
    find: str = "",
    since: str = "",
    follow: bool = False,
) -> AsyncIterator[Line]:
    """Yield an app's last ``lines`` lines, oldest first, and with ``follow`` what is added until closed.

    Lines of several sources stand in the order of their time, those of one source as it wrote them. ``name`` narrows
    them to names that begin so: "hello.3." for a release, "build.3" for a build's log; ``find`` and ``since`` as in
    `Ask`. Memory stays bounded. Raises what the agent raises, and `UnavailableError` where there is none.
    """
    ask = Ask(tenant=tenant, app=app, name=name, lines=lines, find=find, since=since)
    cursors, ends = ask.cursors, Ends()
    newest: deque[Line] = deque()
    more = True
    while more:  # an answer holds few sources
        pieces = await _asked(bus, ask)
        more = any(piece.name not in cursors for piece in pieces)
        pieces = ends.only_new(pieces, cursors)
        newest = deque(_merged(pieces, newest), maxlen=lines)
    for line in newest:
        yield line
    ends.following = True
    while follow:
        pieces = await _asked(bus, ask)
        for line in _merged(ends.only_new(pieces, cursors)):
            yield line
        if not pieces:
            await asyncio.sleep(PAUSE)


async def _asked(bus: Bus, ask: Ask) -> list[Piece]:
    raw: Any = await bus.call(SUBJECT, msgspec.to_builtins(ask))
    return msgspec.convert(raw, list[Piece])


def _merged(pieces: Iterable[Piece], before: Iterable[Line] = ()) -> Iterable[Line]:
    """Put lines in the order of their time, with which each begins: one form and length, so that it sorts as text."""
    sources = [[Line(piece.name, text) for text in piece.lines] for piece in pieces]
    return heapq.merge(before, *sources, key=lambda line: _time(line.text))


class Ends:
    """Know with which line each source ended.

    When an instance ends, the file of its log gives way to one that is kept, which holds the same lines once more. It
    has the instance's name, or while that runs, for a moment or again, the name of what it wrote before.
    """

    def __init__(self) -> None:
        self.following = False  # what is added to earlier runs from now on may have been told as the instance's
        self._last: dict[str, str] = {}  # by source, the time of its newest line
        self._behind: dict[str, str] = {}  # the same, of those that are read anew from another file

    def only_new(self, pieces: Iterable[Piece], cursors: dict[str, Cursor]) -> list[Piece]:
        """Return pieces without lines that were told already, and move the cursors."""
        earlier_first = sorted(pieces, key=lambda piece: not piece.name.endswith(BEFORE))
        return [self._new(piece, cursors) for piece in earlier_first]

    def _new(self, piece: Piece, cursors: dict[str, Cursor]) -> Piece:
        name, known = piece.name, cursors.get(piece.name)
        cursors[name] = piece.cursor
        instance = name.removesuffix(BEFORE)
        if name != instance and self.following:
            self._behind[name] = self._last.get(instance, "")
        elif known is not None and known.inode != piece.cursor.inode and name in self._last:
            self._behind[name] = self._last[name]
        lines = piece.lines
        if name in self._behind:
            lines = tuple(line for line in lines if _time(line) > self._behind[name])
            if lines:
                del self._behind[name]
        if lines:
            self._last[name] = _time(lines[-1])
            if name != instance:  # the instance's own file may hold them, too
                self._behind[instance] = self._last[instance] = max(self._last[name], self._last.get(instance, ""))
        return msgspec.structs.replace(piece, lines=lines)


def _time(line: str) -> str:
    return line.partition(" ")[0]
