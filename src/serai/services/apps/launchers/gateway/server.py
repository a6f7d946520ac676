"""The listening side: one thread a connection, one process a request, and at most so many of both."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

from .handler import Handler
from .paths import Settings

PROGRAMS = 16  # processes at a time
CONNECTIONS = 256


class Server(ThreadingHTTPServer):
    """Accept at most `CONNECTIONS` at a time; the others wait in the backlog."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], settings: Settings) -> None:
        super().__init__(address, Handler)
        self.settings = settings
        self.connections = threading.BoundedSemaphore(CONNECTIONS)
        self.programs = threading.BoundedSemaphore(PROGRAMS)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Start its thread once there is room."""
        self.connections.acquire()
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve the connection, and make room."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.connections.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a connection that broke; all else goes to the log."""
        error = sys.exc_info()[1]
        if not isinstance(error, ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


def main(argv: list[str]) -> None:
    """Serve until SIGTERM, then let requests that run finish."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--cgi-bin", type=Path)
    parser.add_argument("--programs", default="")
    parser.add_argument("--php", default="")
    parser.add_argument("--front", default="")
    options = parser.parse_args(argv)
    programs = tuple(part for part in options.programs.split(",") if part)
    settings = Settings(options.root, options.cgi_bin, programs, options.php, options.front)
    server = Server(("127.0.0.1", options.port), settings)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    print(f"cgi: listening on 127.0.0.1:{server.server_address[1]}", file=sys.stderr, flush=True)  # noqa: T201  its log
    server.serve_forever(poll_interval=0.1)
    # Whoever drains has already led new requests elsewhere: wait for those that run, a moment.
    for _ in range(PROGRAMS):
        server.programs.acquire(timeout=2.0)


if __name__ == "__main__":
    main(sys.argv[1:])
