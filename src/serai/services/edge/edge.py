"""What all connections of one worker share."""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any

from serai.protocols.http import Limits, RequestReader, response_heads
from serai.services.edge.config import EdgeConfig
from serai.services.edge.forward import OURS
from serai.services.edge.hold import Hold
from serai.services.edge.log import AccessLog
from serai.services.edge.metrics import Metrics
from serai.services.edge.platform import TENANT, PlatformPool, own_sites
from serai.services.edge.pool import Pool
from serai.services.edge.routes import Routes
from serai.services.edge.share import Share
from serai.services.edge.static import StaticFiles

if TYPE_CHECKING:
    from serai.daemon.module import Context
    from serai.services.edge.handed import Handed
    from serai.services.edge.relay import Relay
    from serai.services.edge.session import Session
    from serai.services.edge.tls import Certificates


class Edge:
    """One worker's edge: configuration, tables, log, open connections."""

    def __init__(self, config: EdgeConfig, ctx: Context) -> None:
        self.config = config
        self.ctx = ctx
        self.log = ctx.log
        self.limits = Limits(request_line=config.request_line, head=config.head, fields=config.fields)
        self.monotonic = ctx.clock.monotonic
        self.wall = ctx.clock.now() - ctx.clock.monotonic()
        self.metrics = Metrics(self.gauges)
        self.routes = Routes(ctx.replica, ctx.host, self.metrics, partial(Pool, self))
        self.platform = PlatformPool(self, ctx.home / config.platform) if config.platform else None
        self.console = PlatformPool(self, ctx.home / config.console) if config.platform and config.console else None
        if self.platform is not None:
            self.routes.own = own_sites(ctx.base, self.platform, self.console, self.metrics.app(TENANT, ""))
        path = ctx.home / "logs" / "edge" / f"access-{ctx.group}-{ctx.worker}.log"
        self.access = AccessLog(path, limit=config.log_octets, files=config.log_files)
        self.static = StaticFiles()
        self.hold = Hold(self)
        self.sessions: set[Session | Relay | Handed] = set()
        self.share = Share(ctx.home / "run" / "edge" / f"{ctx.group}.connections", ctx.worker)
        self.clients = 0  # connections, handshakes under way included
        self._addresses: Counter[str] = Counter()  # the same by address, where that is limited
        self.certificates: Certificates | None = None  # where TLS is on
        self.https_suffix = b""  # what redirects to HTTPS append to the host's name
        self.draining = False
        self.rest_seconds = config.idle_seconds  # that a connection may rest between two requests
        self.id_prefix = secrets.token_hex(6).encode()
        self.number = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self.read_request = RequestReader(self.limits, OURS).read
        self.response_heads = response_heads(self.limits)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run ``work`` beside; what it raises is a bug and ends up at the loop's exception handler."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def arrive(self, peer: str) -> bool:
        """Count a client's connection in, or return False where there are too many."""
        config = self.config
        if self.clients >= config.max_connections:
            return False
        if config.max_per_address:
            if self._addresses[peer] >= config.max_per_address:
                return False
            self._addresses[peer] += 1
        self.clients += 1
        self.share.tell(self.clients)
        return True

    def left(self, peer: str) -> None:
        """Count a client's connection out."""
        self.clients -= 1
        self.share.tell(self.clients)
        if self.config.max_per_address:
            self._addresses[peer] -= 1
            if self._addresses[peer] <= 0:
                del self._addresses[peer]

    def gauges(self) -> dict[str, float]:
        """Return what there is at this moment."""
        pools = self.routes.pools()
        return {
            "connections": len(self.sessions),
            "held_requests": len(self.hold),
            "upstream_connections": sum(pool.open for pool in self._all_pools()),
            "instances": len(pools),
            "log_entries_lost": self.access.lost,
        }

    def sweep(self) -> None:
        """Once a second: end what has waited too long, let idle connections go, write the log."""
        now = self.monotonic()
        for session in [session for session in self.sessions if session.deadline < now]:
            session.expire(now)
        if self.routes.refresh(now):
            self.routes.sync()
        resting = now - self.config.upstream_idle_seconds
        for pool in self._all_pools():
            pool.expire(resting)
        self.wall = self.ctx.clock.now() - now
        self.share.beat(now)
        self.access.flush()

    def drain(self) -> None:
        """Answer what is under way and what comes, each with ``Connection: close``; end what goes on resting."""
        self.draining = True
        self.share.leave()
        self.rest_seconds = min(self.rest_seconds, self.config.linger_seconds)
        for session in list(self.sessions):
            session.drain()

    def close(self) -> None:
        """End everything."""
        for task in list(self._tasks):
            task.cancel()
        for session in list(self.sessions):
            session.abort()
        for pool in self._all_pools():
            pool.retire()
        self.access.close()

    def _all_pools(self) -> list[Pool]:
        return [*self.routes.pools(), *(pool for pool in (self.platform, self.console) if pool is not None)]
