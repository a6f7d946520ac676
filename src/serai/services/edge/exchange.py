"""One request's way to an instance and its answer's way back; a connection has at most one under way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from serai.protocols.http import ResponseHead
from serai.services.edge import respond, upload
from serai.services.edge.client import BLOCKED, CLOSED, IDLE, Client
from serai.services.edge.forward import request_octets
from serai.services.edge.log import entry_of
from serai.services.edge.relay import Relay

if TYPE_CHECKING:
    from serai.services.edge.pool import Pool
    from serai.services.edge.upstream import Upstream

#: Tries of one request in all: a stale connection, a dead instance, another one, and one for bad luck.
ATTEMPTS = 4
#: RFC 9110 §9.2.1: methods that may be sent twice. The idempotent ones that change things are left to the client.
SAFE = frozenset((b"GET", b"HEAD", b"OPTIONS"))


class Exchange(Client):
    """What is under way on a connection."""

    __slots__ = ()

    def dispatch(self, now: float, avoid: Pool | None = None) -> None:
        """Send the request to an instance, or let it wait for one."""
        edge = self.edge
        target = self.target
        assert target is not None  # noqa: S101  # requests without a target were answered
        release = target.release
        if release.version != edge.routes.version:
            edge.routes.update(release)
        pool = release.pick(now, avoid)
        if pool is None:
            self._hold(now)
            return
        self.pool = pool
        pool.outstanding += 1
        if pool.idle and not self._attempts:
            upstream = pool.idle.pop()
            upstream.session = self
            self.upstream = upstream
            upstream.transport.write(request_octets(self, target))
            if self.body is not None:
                upload.start(self)
        else:
            pool.connect(self)

    def dispatch_anew(self, now: float) -> None:
        """Send the request to the API, on a new connection unless it may be sent twice.

        A resting connection may be closing at this moment, since the API is replaced now and then.
        """
        if self.head.method not in SAFE or self.head.has_body:
            self._attempts = max(self._attempts, 1)
        self.dispatch(now)

    def finish(self, now: float) -> None:
        """Write the log, and be ready for the next request. Whoever calls this from outside gets it read at once."""
        edge = self.edge
        target = self.target
        seconds = now - self.started
        pool = self.pool
        if pool is not None:
            pool.outstanding -= 1
        counters = target.counters if target is not None else edge.metrics.nobody
        counters.count(self.status, self.received, self.sent, seconds)
        if edge.config.log:
            edge.access.append(entry_of(self, seconds))
        self.target = self.pool = self.upstream = None
        self.received = self.sent = self._attempts = 0
        self.responding = False
        self.held_until = 0.0
        if self.closing:
            self.close(now)
        elif self.blocked:
            self.state = BLOCKED
            self.deadline = now + edge.config.send_seconds
        else:
            self.state = IDLE
            self.deadline = now + edge.rest_seconds

    def connected(self, upstream: Upstream) -> None:
        """Go on with a connection that the pool has got."""
        target = self.target
        assert target is not None  # noqa: S101  # who waits for an instance has one
        self.upstream = upstream
        upstream.session = self
        upstream.transport.write(request_octets(self, target))
        if self.body is not None:
            upload.start(self)

    def upstream_lost(self, *, sent: bool) -> None:
        """Try again elsewhere where that is safe: no octet of an answer came, and nothing can happen twice."""
        now = self.edge.monotonic()
        pool, self.pool, self.upstream = self.pool, None, None
        if pool is not None:
            pool.outstanding -= 1
        self._attempts += 1
        again = not sent or (self.head.method in SAFE and not self.head.has_body)
        if again and self._attempts < ATTEMPTS:
            self.dispatch(now, pool)
        elif again:
            self._hold(now)
        else:
            respond.refuse(self, 502)
        self.advance()

    def upstream_broke(self) -> None:
        """Say so if nothing was sent yet; or else break off, so that nobody takes a half answer for a whole one."""
        self.upstream = None
        respond.refuse(self, 502)
        self.advance()

    def _hold(self, now: float) -> None:
        status = self.edge.hold.add(self, now)
        if status:
            respond.refuse(self, status)
        else:
            self.deadline = self.held_until + 1.0

    def resume(self, now: float) -> None:
        """Look again for an instance."""
        self.target = self.edge.routes.find(self.head.fields.host, self.path, now)
        self._attempts = 1
        if self.target is None or not self.target.proxied:
            respond.unusual(self, now)
        else:
            self.deadline = now + self.target.timeout
            self.dispatch(now)
        self.advance()

    def upgraded(self, upstream: Upstream, head: ResponseHead, rest: bytes) -> None:
        """Become a relay (RFC 9110 §7.8): from here on, octets only."""
        self.status = 101
        self.write(head.forward + b"Connection: Upgrade\r\nUpgrade: %b\r\n\r\n" % head.upgrade + rest)
        self.edge.sessions.discard(self)
        self.state = CLOSED
        waiting, self.buffer = self.buffer, b""
        Relay.join(self, upstream, waiting)

    def leave(self) -> None:
        """Let go of the instance before its answer is complete."""
        upstream, self.upstream = self.upstream, None
        if upstream is not None:
            upstream.close()
        elif self.pool is not None and self in self.pool.waiting:
            self.pool.waiting.remove(self)
        if self.transfer is not None:
            self.transfer.stop()
            self.transfer = None
        self.edge.hold.remove(self)
