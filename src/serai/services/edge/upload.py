"""A request's body on its way to an instance, and how long a client may take over it.

A client has ``body_seconds`` for each piece, and for all of them ``body_seconds`` more than they take at ``body_rate``:
a trickle that never quite stops ends too. ``body_since`` is when the body began, moved on by all the time in which
nothing was read from the client because the program took nothing: that time is the program's. ``stalled_at`` is when
the last such time began, 0 while there is none. Both are monotonic seconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from serai.protocols.http import chunk
from serai.protocols.http.body import LAST_CHUNK
from serai.services.edge import respond

if TYPE_CHECKING:
    from serai.services.edge.exchange import Exchange


def start(session: Exchange) -> None:
    """Begin, now that there is a connection to an instance: send what has come, let the rest come."""
    if session.head.fields.continues and not session.buffer:
        session.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    session.body_since, session.stalled_at = session.edge.monotonic(), 0.0
    pump(session)
    session.listen()


def pump(session: Exchange) -> None:
    """Send on what has come of the body."""
    body, upstream, target = session.body, session.upstream, session.target
    if body is None or upstream is None or target is None:
        return
    pieces, session.buffer = body.receive(session.buffer)
    if session.ended:
        body.eof()
    chunked = session.head.fields.chunked
    for piece in pieces:
        session.received += len(piece)
        upstream.transport.write(chunk(piece) if chunked else piece)
    if session.received > target.route.max_body:
        respond.refuse(session, 413)
    elif body.error is not None:
        respond.malformed(session, body.error)
    elif body.done:
        session.body = None
        if chunked:
            upstream.transport.write(LAST_CHUNK)  # without trailers: RFC 9110 §6.5.1 lets an intermediary drop them
        session.deadline = session.edge.monotonic() + target.timeout
    elif not session.stalled_at and not session.responding:  # once both talk, it is the answer's pace that counts
        session.deadline = _due(session, session.edge.monotonic())


def stall(session: Exchange) -> None:
    """Read no more than the program takes: from here on it is the program's time that runs."""
    session.hush()
    if session.body is not None and session.target is not None:
        session.stalled_at = session.edge.monotonic()
        if not session.responding:
            session.deadline = session.stalled_at + session.target.timeout


def flow(session: Exchange) -> None:
    """Read on: the client's time runs again."""
    if session.body is not None and session.stalled_at:
        now = session.edge.monotonic()
        session.body_since += now - session.stalled_at
        session.stalled_at = 0.0
        if not session.responding:
            session.deadline = _due(session, now)
    session.listen()


def awaited(session: Exchange) -> bool:
    """Tell whether it is the client that is waited for, and not an instance."""
    return session.body is not None and session.upstream is not None and not session.stalled_at


def _due(session: Exchange, now: float) -> float:
    """Return when the next piece must have come."""
    seconds, rate = session.edge.config.body_seconds, session.edge.config.body_rate
    due = now + seconds
    return min(due, session.body_since + seconds + session.received / rate) if rate else due
