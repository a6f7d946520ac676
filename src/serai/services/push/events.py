"""One event, and its octets: made once, and the same for all clients."""

from __future__ import annotations

import re

import msgspec

from serai.protocols.websocket import text_frame
from serai.services.push.channels import shown

MAX_DATA = 65536  # octets of one event's data, as JSON
_ID = re.compile(r"([0-9a-f]{1,16})\.([0-9]{1,18})\Z")


class Mark(msgspec.Struct, frozen=True, gc=False):
    """A place in all that was said: the source's life, and a number that grows through it.

    Clients see ``LIFE.NUMBER``.
    """

    life: int
    number: int

    def __str__(self) -> str:
        """Return it as clients see it."""
        return f"{self.life:x}.{self.number}"


def read_mark(text: str) -> Mark | None:
    """Return the place that a client names, or None for what is no such."""
    match = _ID.match(text)
    return Mark(int(match[1], 16), int(match[2])) if match else None


class Event:
    """Something that was said on a channel; ``data`` is JSON without line ends.

    No name and no data of anybody's can hold a line end, so that none can begin a field or an event of its own (WHATWG
    HTML section 9.2.5).
    """

    __slots__ = ("_frame", "_lines", "channel", "data", "mark", "name")

    def __init__(self, mark: Mark, channel: str, name: str, data: bytes) -> None:
        self.mark = mark
        self.channel = channel
        self.name = name
        self.data = data
        self._lines = b""
        self._frame = b""

    @property
    def number(self) -> int:
        """Return its number among all of its source."""
        return self.mark.number

    @property
    def lines(self) -> bytes:
        """Return it as a server-sent event."""
        if not self._lines:
            self._lines = b'id: %b\nevent: %b\ndata: {"channel":"%b","data":%b}\n\n' % (
                str(self.mark).encode(),
                self.name.encode(),
                shown(self.channel).encode(),
                self.data,
            )
        return self._lines

    @property
    def frame(self) -> bytes:
        """Return it as a WebSocket message."""
        if not self._frame:
            self._frame = text_frame(
                b'{"id":"%b","event":"%b","channel":"%b","data":%b}'
                % (str(self.mark).encode(), self.name.encode(), shown(self.channel).encode(), self.data)
            )
        return self._frame

    @property
    def weight(self) -> int:
        """Return about how many octets it occupies."""
        return 400 + 3 * len(self.data)  # as it came, and as each kind of client gets it


def lines_of(name: str, data: bytes, mark: Mark | None = None) -> bytes:
    """Return what a stream says of itself, as a server-sent event."""
    where = b"id: %b\n" % str(mark).encode() if mark else b""
    return b"%bevent: %b\ndata: %b\n\n" % (where, name.encode(), data)


def frame_of(name: str, data: bytes, mark: Mark | None = None) -> bytes:
    """Return the same as a WebSocket message."""
    where = b'"id":"%b",' % str(mark).encode() if mark else b""
    return text_frame(b'{%b"event":"%b","data":%b}' % (where, name.encode(), data))
