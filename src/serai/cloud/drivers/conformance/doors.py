"""What reaches into a running workload: sockets of the connector, commands."""

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


async def a_command_runs_inside_as_confined_as_the_program(bench: Bench) -> None:
    """command() sees the same files and processes, has the same user and environment, and no more rights."""
    script = "id -u; echo $KEY; cat /proc/1/comm; grep -E 'NoNewPrivs|Seccomp:|CapEff|CapBnd' /proc/self/status"
    env = {"PATH": "/usr/bin:/bin", "KEY": "value"}
    async with bench.running("sleep", "60", env=env) as handle:
        argv = await bench.driver.command(handle, ("sh", "-c", script))
        process = await asyncio.create_subprocess_exec(*argv, stdout=asyncio.subprocess.PIPE)
        output, _ = await process.communicate()
        words = output.decode().split()
        expect(words[:3] == ["1000", "value", "bwrap"], output)
        expect(words[words.index("NoNewPrivs:") + 1] == "1", words[words.index("NoNewPrivs:") + 1])
        expect(words[words.index("Seccomp:") + 1] == "2", words[words.index("Seccomp:") + 1])
        expect(int(words[words.index("CapEff:") + 1], 16) == 0)
        failing = await bench.driver.command(handle, ("sh", "-c", "exit 5"))
        expect(await (await asyncio.create_subprocess_exec(*failing)).wait() == 5)


CASES: tuple[Case, ...] = (
    connector_sockets_reach_the_program,
    a_command_runs_inside_as_confined_as_the_program,
)
