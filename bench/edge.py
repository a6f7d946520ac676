"""Compare the edge with nginx and Caddy: the same program behind them, two workers each, log on, in turns.

    python bench/edge.py [--rounds 3] [--seconds 3] [--only proxy,tls,static1k,static100k,close,varied,memory]

Prints a line for each measurement, and at the end lines ``ratio: …`` with what was to be reached. ``memory`` is what
10,000 connections that rest cost, plain and with TLS.
"""

from __future__ import annotations

import argparse
import re
import resource
import shutil
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import edge_servers as servers

CONNECTIONS = 10_000
# Each connection's requests differ in a field, as those of real visitors do: nothing parsed before helps.
_VARIED = """
local n = 0
request = function()
  n = n + 1
  return "GET /item/" .. n .. "?q=" .. n .. " HTTP/1.1\\r\\nHost: localhost\\r\\nCookie: session="
    .. math.random(1, 1e9) .. "\\r\\nUser-Agent: bench\\r\\nAccept: */*\\r\\nAccept-Encoding: gzip\\r\\n\\r\\n"
end
"""

# case: scheme, path, further arguments of wrk, goal against nginx
CASES: dict[str, tuple[str, str, list[str], float | None]] = {
    "proxy": ("http", "/", [], 0.85),
    "tls": ("https", "/", [], 0.75),
    "static1k": ("http", "/static/1k.txt", [], 0.85),
    "static100k": ("http", "/static/100k.txt", [], 0.85),
    "close": ("http", "/", ["-H", "Connection: close"], None),
    "varied": ("http", "/", ["-s", "varied.lua"], None),
}


def wrk(server: servers.Server, case: str, seconds: int, folder: Path) -> float:
    scheme, path, more, _ = CASES[case]
    port = server.secure if scheme == "https" else server.plain
    argv = ["wrk", "-t1", "-c128", f"-d{seconds}s", *more, f"{scheme}://localhost:{port}{path}"]
    output = subprocess.run(argv, capture_output=True, text=True, check=True, cwd=folder).stdout
    if "Non-2xx" in output or "Socket errors" in output:
        print(f"{case:10} {server.name:6} had errors:\n{output}")
    found = re.search(r"Requests/sec:\s+([0-9.]+)", output)
    return float(found[1]) if found else 0.0


def cpu(server: servers.Server) -> float:
    """Return the seconds of CPU that a server has used."""
    ticks = 0
    for pid in server.workers():
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / 100


def memory(server: servers.Server) -> int:
    """Return the octets that a server's processes occupy (PSS)."""
    total = 0
    for pid in server.workers():
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        total += int(re.search(r"^Pss:\s+(\d+)", text, re.MULTILINE)[1]) * 1024
    return total


def idle_memory(server: servers.Server, *, secure: bool) -> float:
    """Open connections that each make one request and rest; return the octets that each costs."""
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    before = memory(server)
    opened = []
    for _ in range(CONNECTIONS):
        sock = socket.create_connection(("127.0.0.1", server.secure if secure else server.plain))
        if secure:
            sock = trusting.wrap_socket(sock, server_hostname="localhost")
        sock.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        opened.append(sock)
        if len(opened) % 64 == 0:
            for each in opened[-64:]:
                each.recv(65536)
    time.sleep(1)
    cost = (memory(server) - before) / CONNECTIONS
    for sock in opened:
        sock.close()
    return cost


def measure(server: servers.Server, case: str, seconds: int, folder: Path) -> tuple[float, float]:
    """Return the requests per second, and the microseconds of CPU that each took."""
    before = cpu(server)
    rate = wrk(server, case, seconds, folder)
    return rate, (cpu(server) - before) / max(rate * seconds, 1) * 1e6


def run(peers: list[servers.Server], cases: list[str], rounds: int, seconds: int, folder: Path) -> None:
    """Measure in turns, each round in the other order, and compare within a round: noise is slower than that."""
    goals = []
    for case in cases:
        for server in peers:
            wrk(server, case, 1, folder)
        rates: list[dict[str, float]] = []
        spent: list[dict[str, float]] = []
        for number in range(rounds):
            rates.append({})
            spent.append({})
            for server in peers[:: -1 if number % 2 else 1]:
                rates[-1][server.name], spent[-1][server.name] = measure(server, case, seconds, folder)
                rate, used = rates[-1][server.name], spent[-1][server.name]
                print(f"{case:10} {server.name:6} {rate:9.0f} requests/s  {used:6.1f} us of CPU each", flush=True)
        for peer in peers[1:]:
            ratio = statistics.median(each["serai"] / max(each[peer.name], 1) for each in rates)
            effort = statistics.median(each["serai"] / max(each[peer.name], 0.1) for each in spent)
            goal = CASES[case][3] if peer.name == "nginx" else 4 if case == "proxy" else None
            wanted = f" (goal {goal})" if goal else ""
            goals.append(f"ratio: {case} {ratio:.2f} x {peer.name}{wanted}, at {effort:.2f} x its CPU")
    print("\n".join(goals))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--only", default=",".join((*CASES, "memory")))
    options = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65536), hard))
    cases = options.only.split(",")
    folder = Path(tempfile.mkdtemp(prefix="bench-edge-"))
    folder.chmod(0o755)  # nginx's workers are nobody in particular
    (folder / "site").mkdir()
    (folder / "varied.lua").write_text(_VARIED)
    for name, size in (("1k", 1024), ("100k", 102400)):
        (folder / "site" / f"{name}.txt").write_bytes(b"x" * size)
    started: list[servers.Server] = []
    try:
        program = servers.program(folder / "program")
        started.append(program)
        started.append(ours := servers.serai(folder / "serai", program.plain, folder / "site"))
        pem = folder / "serai" / "data" / "tls" / "leaves" / "localhost.pem"
        started.append(peer := servers.nginx_proxy(folder / "nginx", program.plain, folder / "site", pem))
        caddy = servers.caddy(folder / "caddy", program.plain, folder / "site", pem)
        peers = [ours, peer] + ([caddy] if caddy else [])
        started += peers[2:]
        run(peers, [case for case in cases if case in CASES], options.rounds, options.seconds, folder)
        if "memory" in cases:
            # Each in processes of its own: what the first connections leave behind would serve the next.
            for secure, text in ((False, "idle connection (goal 10)"), (True, "idle connection with TLS")):
                resting = servers.serai(folder / f"memory-{secure}", program.plain, folder / "site")
                started.append(resting)
                print(f"ratio: memory {idle_memory(resting, secure=secure) / 1024:.1f} KiB per {text}", flush=True)
    finally:
        for server in reversed(started):
            server.stop()
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
