"""Every answer but an instance's: errors, redirects, files; and the requests that need a second look."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from serai.protocols.http import ChunkedReader, LengthReader, RemoteProtocolError, status_line
from serai.services.edge import errors
from serai.services.edge.handed import PUSH, SECONDS, Handed
from serai.services.edge.static_plan import FileBody
from serai.services.edge.transfer import FileTransfer

if TYPE_CHECKING:
    from serai.services.edge.exchange import Exchange
    from serai.services.edge.routes import Target


def reply(session: Exchange, status: int, fields: bytes, body: bytes) -> None:
    """Write a complete answer; ``fields`` are lines with CRLF, Content-Length included."""
    close = b"Connection: close\r\n\r\n" if session.closing else b"\r\n"
    if session.path and session.head.method == b"HEAD":
        body = b""
    session.status = status
    session.write(b"".join((status_line(status), fields, close, body)))
    session.finish(session.edge.monotonic())


def refuse(session: Exchange, status: int) -> None:
    """Answer with an error, or break the connection where an answer has begun."""
    session.leave()
    if session.responding:
        session.closing = True
        session.finish(session.edge.monotonic())
        session.abort()
        return
    session.ends_early()
    accept = session.head.fields.values.get(b"accept", b"") if session.path else b""
    html = b"text/html" in accept
    body = errors.page(status, session.request_id.decode(), html=html)
    reply(session, status, errors.fields(status, body, html=html), body)


def malformed(session: Exchange, error: RemoteProtocolError) -> None:
    """Answer what can't be understood; nothing that comes after it can be understood either."""
    if session.body is None:
        session.path = b""
    session.closing = True
    refuse(session, error.status)


def unusual(session: Exchange, now: float) -> None:
    """Handle a request that the usual way leaves: by its form, its host, its body or its target."""
    head = session.head
    target = session.target
    fields = head.fields
    # HTTP/1.0's own way to keep a connection is not spoken: one request each.
    session.closing = session.closing or head.close or not head.minor or session.edge.draining
    if fields.chunked:
        session.body = ChunkedReader(session.edge.limits)
    elif fields.length:
        session.body = LengthReader(fields.length)
    if session.server_name and fields.host != session.server_name and not _same_certificate(session):
        refuse(session, 421)  # RFC 9110 §15.5.20
    elif head.target == b"*":
        session.ends_early()
        reply(session, 204, b"Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n", b"")
    elif target is None:
        refuse(session, 404 if session.edge.routes.available else 503)
    elif session.redirects:
        redirect(session, b"https://%b%b%b" % (_name(session), session.edge.https_suffix, head.target))
    elif target.route.target == PUSH:
        hand_over(session, now)
    elif len(target.path) > len(session.path):
        redirect(session, session.path + b"/" + head.target[len(session.path) :])
    elif target.route.target == "redirect":
        redirect(session, target.route.location.encode("ascii", "ignore"))
    elif (fields.length or 0) > target.route.max_body:
        refuse(session, 413)
    elif target.route.target == "static":
        serve_file(session, target, now)
    else:
        session.deadline = now + target.timeout
        if target.release.fixed:
            session.dispatch_anew(now)
        else:
            session.dispatch(now)


def redirect(session: Exchange, location: bytes) -> None:
    """Answer 308 (RFC 9110 §15.4.9): the method and the body stay what they were."""
    session.ends_early()
    reply(session, 308, b"Location: %b\r\nContent-Length: 0\r\n" % location, b"")


def hand_over(session: Exchange, now: float) -> None:
    """Let the module beside the edge decide that offered it."""
    taker = session.edge.ctx.offered(PUSH)
    if taker is None:
        refuse(session, 503)
    elif session.body is not None:
        refuse(session, 413)  # streams are asked for, with nothing to say
    else:
        session.deadline = now + SECONDS
        handed = Handed(session, reply)
        taker(handed)
        handed.late = True


def serve_file(session: Exchange, target: Target, now: float) -> None:
    """Answer from the route's folder."""
    head = session.head
    session.ends_early()
    path = session.path[target.cut :]
    plan = session.edge.static.plan(target.route.folder, path, head.method, head.fields.values, now=now)
    body = plan.body
    if isinstance(body, bytes):
        reply(session, plan.status, _lines(plan.headers), body)
        return
    session.status = plan.status
    start = status_line(plan.status) + _lines(plan.headers)
    start += b"Connection: close\r\n\r\n" if session.closing else b"\r\n"
    if head.method == b"HEAD":
        session.write(start)
        session.finish(now)
    else:
        _send_file(session, start, body)


def _send_file(session: Exchange, start: bytes, body: FileBody) -> None:
    session.responding = True
    session.transfer = FileTransfer(session, body)
    session.transfer.begin(start)


@lru_cache(512)
def _lines(headers: tuple[tuple[bytes, bytes], ...]) -> bytes:
    return b"".join(b"%b: %b\r\n" % pair for pair in headers)


def _same_certificate(session: Exchange) -> bool:
    certificates = session.edge.certificates
    if certificates is None:
        return True
    found = certificates.find(session.head.fields.host)
    return found is not None and found is certificates.find(session.server_name)


def _name(session: Exchange) -> bytes:
    return session.head.fields.host.encode("ascii")
