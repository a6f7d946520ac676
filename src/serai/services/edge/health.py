"""Active health checks: each instance is asked for a path now and then; a bad answer ejects it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from serai.cloud.connector import sockets
from serai.errors import UnavailableError
from serai.protocols.http import NEED_DATA, ClientConnection, RemoteProtocolError, ResponseHead

if TYPE_CHECKING:
    from serai.services.edge.edge import Edge
    from serai.services.edge.pool import Pool

MAX_ANSWER = 65536  # octets of a head that are read


async def watch_health(edge: Edge) -> None:
    """Check all instances every ``health_seconds``, until cancelled."""
    while True:
        await edge.ctx.clock.sleep(edge.config.health_seconds)
        pools = [pool for pool in edge.routes.pools() if not pool.retired]
        await asyncio.gather(*(_check(edge, pool) for pool in pools))


async def _check(edge: Edge, pool: Pool) -> None:
    try:
        async with asyncio.timeout(edge.config.health_seconds):
            status = await ask(pool.connector, pool.port, edge.config.health_path)
    except (OSError, TimeoutError, UnavailableError, RemoteProtocolError) as error:
        edge.log.info("edge.unhealthy", instance=pool.name, reason=str(error) or "no answer in time")
        pool.failed(edge.monotonic())
        return
    if status >= 500:
        edge.log.info("edge.unhealthy", instance=pool.name, reason=f"status {status}")
        pool.failed(edge.monotonic())
    else:
        pool.succeeded()


async def ask(connector: str, port: int, path: str) -> int:
    """Return the status that an instance answers ``GET path`` with."""
    (sock,) = await sockets(connector)
    with sock:
        loop = asyncio.get_running_loop()
        await loop.sock_connect(sock, ("127.0.0.1", port))
        connection = ClientConnection()
        fields = ((b"User-Agent", b"serai-health"), (b"Connection", b"close"))
        await loop.sock_sendall(sock, connection.request(b"GET", path.encode("ascii"), b"localhost", fields))
        received = 0
        while (event := connection.next_event()) is NEED_DATA:
            data = await loop.sock_recv(sock, 16384)
            received += len(data)
            if received > MAX_ANSWER:
                raise RemoteProtocolError("The answer's head is too large.", 502)
            connection.receive_data(data)
        if not isinstance(event, ResponseHead):
            raise RemoteProtocolError("The program closed without an answer.", 502)
        return event.status
