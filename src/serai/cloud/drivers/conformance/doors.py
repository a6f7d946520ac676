"""What reaches into a running workload: sockets of the connector."""

from __future__ import annotations

import asyncio

from serai.cloud import connector
from serai.cloud.drivers.conformance.bench import Bench, Case, expect
from serai.errors import UnavailableError

PORT = 8000
SERVER = f"""
import socket
server = socket.create_server(("127.0.0.1", {PORT}))
print("listening", flush=True)
kept = []
while True:
    client, _ = server.accept()
    client.sendall(b"hello")
    kept.append(client)
"""


async def connector_sockets_reach_the_program(bench: Bench) -> None:
    """Sockets of the connector are made inside; connections() counts the established ones."""
    async with bench.running("python3", "-c", SERVER, port=PORT) as handle:
        await bench.serving(handle)
        expect(await bench.driver.connections(handle) == 0)
        loop = asyncio.get_running_loop()
        made = await connector.sockets(str(handle.connector), 3)
        try:
            for one in made:
                await loop.sock_connect(one, ("127.0.0.1", PORT))
                expect(await loop.sock_recv(one, 5) == b"hello")
            expect(await bench.driver.connections(handle) == 3)
        finally:
            for one in made:
                one.close()
        await bench.driver.stop(handle, grace=0)
        try:
            await connector.sockets(str(handle.connector))
        except UnavailableError:
            return
        raise AssertionError("a dead workload hands out sockets")


CASES: tuple[Case, ...] = (connector_sockets_reach_the_program,)
