"""Compare push with nchan, nginx's module for it: 10,000 clients of server-sent events on one channel, in turns.

    python bench/push.py [--clients 10000] [--events 20] [--rounds 2] [--every 1.0] [--size 200] [--only serai,nchan]

Each client is a connection of its own; two processes hold them. An event carries the time at which its publisher began
to say it, and each client's kernel has it at some time after that: what is told is how long that took, over all clients
and events. Publishers and clients share the processors with the server. Where nchan is not to be had (Debian:
libnginx-mod-nchan), the peer is a plain server on the library ``websockets``.

Ours is a whole platform; an event goes the way that an application's does, from the door on: source, bus, workers.
"""

from __future__ import annotations

import argparse
import multiprocessing
import re
import resource
import select
import shutil
import socket
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import push_servers as servers

GOAL = 250.0  # ms: p99 with 10,000 clients
PROCESSES = 2
#: Seconds for which clients leave what has come: they read thousands at once, and are woken for none of them alone. It
#: counts as time that an event took.
NAP = 0.005
_TIME = re.compile(rb'"t":\s?(\d+)')


def hold(where: servers.Where, count: int, addresses: list[str], pipe) -> None:
    """Open connections, say so, and then send back how long each event took to each of them, on request."""
    poll = select.epoll()
    socks: dict[int, socket.socket] = {}
    for number in range(count):
        sock = socket.socket()
        sock.bind((addresses[number % len(addresses)], 0))
        sock.connect(("127.0.0.1", where.port))
        sock.sendall(where.request)
        sock.setblocking(False)
        socks[sock.fileno()] = sock
        poll.register(sock, select.EPOLLIN)
        if number % 100 == 99:
            _read(poll, socks, 0.0)
    ready = time.monotonic() + 2.0
    while time.monotonic() < ready:
        _read(poll, socks, 0.2)
    pipe.send(len(socks))
    took: list[float] = []
    while True:
        took += _read(poll, socks, 0.05)
        time.sleep(NAP)
        if pipe.poll():
            if pipe.recv() == "end":
                return
            pipe.send(took)
            took = []


def _read(poll: select.epoll, socks: dict[int, socket.socket], seconds: float) -> list[float]:
    """Return how long the events took that have come, in ms."""
    took = []
    for number, _ in poll.poll(seconds, 4096):
        data = socks[number].recv(65536)
        if not data:
            poll.unregister(number)
            socks.pop(number).close()
            continue
        now = time.monotonic_ns()
        took += [(now - int(sent)) / 1e6 for sent in _TIME.findall(data)]
    return took


def measure(server: servers.Server, options: argparse.Namespace) -> list[float]:
    """Return how long each event took to each client, in ms; at first say what the clients occupy."""
    before = server.memory()
    where = server.where()
    processes = []
    for number in range(PROCESSES):
        ours, theirs = multiprocessing.Pipe()
        addresses = [f"127.0.{1 + number}.{host}" for host in range(1, 11)]
        process = multiprocessing.Process(target=hold, args=(where, options.clients // PROCESSES, addresses, theirs))
        process.start()
        processes.append((process, ours))
    opened = sum(pipe.recv() for _, pipe in processes)
    time.sleep(1.0)
    each = (server.memory() - before) / max(opened, 1)
    used = server.cpu()
    for _ in range(options.events):
        begin = time.monotonic()
        server.publish(b'{"t": %d, "x": "%b"}' % (time.monotonic_ns(), b"x" * options.size))
        time.sleep(max(0.0, options.every - (time.monotonic() - begin)))
    time.sleep(1.0)
    used = server.cpu() - used
    took: list[float] = []
    for process, pipe in processes:
        pipe.send("took")
        took += pipe.recv()
        pipe.send("end")
        process.join()
    lost = opened * options.events - len(took)
    micro = used / max(len(took), 1) * 1e6
    p50, p99 = quantiles(took)
    print(
        f"{server.name:11} {opened} clients, {options.events} events, {lost} lost: p50 {p50:6.1f} ms  p99 {p99:6.1f} ms"
        f"  worst {max(took, default=0):6.1f} ms; {micro:5.1f} us of CPU each; {each / 1024:5.1f} KiB a client",
        flush=True,
    )
    return took


def quantiles(took: list[float]) -> tuple[float, float]:
    cuts = statistics.quantiles(took, n=100) if len(took) > 1 else [0.0] * 99
    return cuts[49], cuts[98]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=10_000)
    parser.add_argument("--events", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--every", type=float, default=1.0, help="seconds")
    parser.add_argument("--size", type=int, default=200, help="octets")
    parser.add_argument("--only", default="serai,nchan")
    options = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65536), hard))
    folder = Path(tempfile.mkdtemp(prefix="bench-push-", dir="/var/tmp"))
    folder.chmod(0o755)
    all_took: dict[str, list[float]] = {}
    try:
        for _ in range(options.rounds):
            for name in options.only.split(","):
                server = servers.start(name, folder / f"{name}-{time.monotonic_ns()}")
                try:
                    all_took.setdefault(server.name, []).extend(measure(server, options))
                finally:
                    server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    figures = {name: quantiles(took) for name, took in all_took.items()}
    ours = figures.get("serai")
    for name, (p50, p99) in figures.items():
        if ours is not None and name != "serai":
            print(f"ratio: p50 {ours[0] / p50:.2f}, p99 {ours[1] / p99:.2f} x the time of {name}")
    if ours is not None:
        print(f"p99: {ours[1]:.1f} ms (goal {GOAL:.0f}, with 10000 clients)")


if __name__ == "__main__":
    main()
