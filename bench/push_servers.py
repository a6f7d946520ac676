"""The servers that bench/push.py compares: a whole platform of ours, nginx with nchan, a plain WebSocket server."""

from __future__ import annotations

import asyncio
import http.client
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from ports import free_port, wait_for

CHANNEL = "news"
_MODULES = (Path("/usr/lib/nginx/modules/ngx_nchan_module.so"), Path("/usr/lib64/nginx/modules/ngx_nchan_module.so"))


class Where(NamedTuple):
    """Where clients connect, and what they say."""

    port: int
    request: bytes


class Server:
    """Some processes, and how to say something to all their clients."""

    name = ""

    def pids(self) -> list[int]:
        raise NotImplementedError

    def where(self) -> Where:
        raise NotImplementedError

    def publish(self, data: bytes) -> None:
        raise NotImplementedError

    def stop(self) -> None:
        raise NotImplementedError

    def memory(self) -> int:
        """Return the octets that the processes occupy (PSS)."""
        total = 0
        for pid in self.pids():
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
            total += int(re.search(r"^Pss:\s+(\d+)", text, re.MULTILINE)[1]) * 1024
        return total

    def cpu(self) -> float:
        """Return the seconds of CPU that they have used."""
        ticks = 0
        for pid in self.pids():
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")


def below(pid: int) -> list[int]:
    """Return a process and all below it."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            found += below(int(child))
    return found


class Serai(Server):
    """A platform in a home of its own."""

    name = "serai"

    def __init__(self, home: Path) -> None:
        self.home = home
        self.port = free_port()
        self.command = [str(Path(sys.executable).with_name("serai")), "--home", str(home)]
        sets = {
            'modules."edge.http".http': f'["tcp://127.0.0.1:{self.port}"]',
            'modules."edge.http".https': f'["tcp://127.0.0.1:{free_port()}"]',
            'modules."edge.http".redirect_http': "false",
            'modules."push".clients_per_address': "100000",
        }
        words = [word for key, value in sets.items() for word in ("--set", f"{key}={value}")]
        subprocess.run([*self.command, "up", "--detach", *words], check=True, stdout=subprocess.DEVNULL)
        self._prepare()

    def _prepare(self) -> None:
        from serai.api.client import Client

        route = {"tenant": "demo", "app": "bench", "release": 1, "target": "push"}
        Client(self.home / "run/api.sock").put("route", "-", "push.localhost/.push/", route)
        self._loop = asyncio.new_event_loop()
        self._loop.run_until_complete(self._open())

    async def _open(self) -> None:
        from serai.bus.open import open_bus

        self._bus = open_bus(f"unix:{self.home / 'run/bus.sock'}")
        self._ticket = await self._bus.call(
            "push.ticket", {"tenant": "demo", "app": "bench", "channels": [CHANNEL], "seconds": 3600.0}
        )

    def pids(self) -> list[int]:
        said = subprocess.run([*self.command, "status", "--json"], check=False, capture_output=True, text=True).stdout
        return sorted({int(pid) for pid in re.findall(r'"pid": ?(\d+)', said)})

    def where(self) -> Where:
        request = f"GET /.push?ticket={self._ticket} HTTP/1.1\r\nHost: push.localhost\r\n\r\n"
        return Where(self.port, request.encode())

    def publish(self, data: bytes) -> None:
        message = {"tenant": "demo", "app": "bench", "channel": CHANNEL, "event": "message", "data": data}
        self._loop.run_until_complete(self._bus.call("push.publish", message))

    def stop(self) -> None:
        self._loop.run_until_complete(self._bus.close())
        subprocess.run([*self.command, "down"], check=False, stdout=subprocess.DEVNULL)


_NGINX = """
load_module {module};
worker_processes 2; daemon off; pid {folder}/pid; error_log {folder}/error.log; worker_rlimit_nofile 40000;
events {{ worker_connections 20000; }}
http {{
  access_log {folder}/access.log; nchan_shared_memory_size 128M;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location = /say {{ nchan_publisher; nchan_channel_id news; nchan_message_buffer_length 256; }}
    location = /.push {{ nchan_subscriber eventsource; nchan_channel_id news; nchan_subscriber_first_message newest; }}
  }}
}}
"""


class Nchan(Server):
    """nginx, with its module for push."""

    name = "nchan"

    def __init__(self, folder: Path, module: Path) -> None:
        folder.mkdir(parents=True)
        self.port = free_port()
        path = folder / "nginx.conf"
        path.write_text(_NGINX.format(folder=folder, port=self.port, module=module))
        self._process = subprocess.Popen(["nginx", "-c", str(path)], stderr=subprocess.DEVNULL)
        wait_for(self.port)
        self._publisher = http.client.HTTPConnection("127.0.0.1", self.port)

    def pids(self) -> list[int]:
        return below(self._process.pid)

    def where(self) -> Where:
        return Where(self.port, b"GET /.push HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n")

    def publish(self, data: bytes) -> None:
        self._publisher.request("POST", "/say", data)
        self._publisher.getresponse().read()

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()


_PLAIN = """
import asyncio, sys, uvloop, websockets
opened = set()
async def client(socket):
    opened.add(socket)
    try:
        async for data in socket:
            websockets.broadcast(opened, data)
    finally:
        opened.discard(socket)
async def main():
    async with websockets.serve(client, "127.0.0.1", int(sys.argv[1]), compression=None, ping_interval=None):
        await asyncio.get_running_loop().create_future()
uvloop.run(main())
"""


class Plain(Server):
    """A program of fifteen lines on the library ``websockets``: one process, and nothing but broadcasts."""

    name = "websockets"

    def __init__(self, _folder: Path) -> None:
        self.port = free_port()
        self._process = subprocess.Popen([sys.executable, "-c", _PLAIN, str(self.port)], stderr=subprocess.DEVNULL)
        wait_for(self.port)
        from websockets.sync.client import connect

        self._publisher = connect(f"ws://127.0.0.1:{self.port}", compression=None)

    def pids(self) -> list[int]:
        return [self._process.pid]

    def where(self) -> Where:
        fields = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        return Where(self.port, f"GET / HTTP/1.1\r\nHost: a\r\n{fields}{key}\r\n".encode())

    def publish(self, data: bytes) -> None:
        self._publisher.send(data.decode())
        self._publisher.recv()

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()


def start(name: str, folder: Path) -> Server:
    """Start one of them."""
    module = next((path for path in _MODULES if path.exists()), None)
    if name == "serai":
        return Serai(folder)
    if name == "nchan" and module is not None and shutil.which("nginx"):
        return Nchan(folder, module)
    return Plain(folder)
