"""Requests that one module of a worker hands to another of the same worker, with their connections where it likes.

The edge speaks HTTP to the world; a module beside it may answer some requests itself, such as streams that last for
hours. They do not import each other: the one that answers offers a `Taker` by name (``ctx.offer``), the edge looks it
up (``ctx.offered``), and both know only what stands here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Protocol


class Visit(Protocol):
    """A request without a body, as it came."""

    @property
    def method(self) -> bytes:
        """The method."""
        ...

    @property
    def target(self) -> bytes:
        """The request target: path and query."""
        ...

    @property
    def fields(self) -> Mapping[bytes, bytes]:
        """Header fields by lower-case name."""
        ...

    @property
    def upgrade(self) -> bytes:
        """The protocol asked for, b"" for none."""
        ...

    @property
    def origin(self) -> bytes:
        """What a page of the same site names as its Origin (RFC 6454 section 7)."""
        ...

    @property
    def peer(self) -> str:
        """The client's address."""
        ...

    @property
    def tenant(self) -> str:
        """Whose route led here; "-" at the platform's own names."""
        ...

    @property
    def app(self) -> str:
        """Which app's route led here; "" at the platform's own names."""
        ...

    @property
    def authority(self) -> bytes:
        """The host as the client wrote it, with its port."""
        ...

    @property
    def gone(self) -> bool:
        """Whether nobody is there any more."""
        ...

    def answer(self, status: int, lines: bytes, body: bytes) -> None:
        """Answer; the connection goes on as before. ``lines`` are header fields with CRLF, without Content-Length."""
        ...

    def take(self, guest: asyncio.Protocol, status: int) -> tuple[asyncio.Transport, bytes] | None:
        """Make ``guest`` the connection's protocol; return the transport, and octets that came behind the request.

        The guest's ``connection_made`` is not called; its ``connection_lost`` calls `over`. ``status`` is for the log:
        the head of the answer is the guest's to write. None where the client has gone.
        """
        ...

    def over(self, received: int, sent: int) -> None:
        """Say that the connection that was taken is no more, and how many octets there were."""
        ...


#: Decides over a visit, at once or later, by `Visit.answer` or `Visit.take`; it must not raise.
Taker = Callable[[Visit], None]
