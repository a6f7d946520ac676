"""The error tracker speaks Sentry's protocol, where it is asked to."""

from __future__ import annotations

import gzip
import http.server
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from serai.daemon.tracker import tracker


class Sink(http.server.BaseHTTPRequestHandler):
    received: list[bytes]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.received.append(gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def sink() -> Iterator[tuple[str, list[bytes]]]:
    received: list[bytes] = []
    handler = type("Handler", (Sink,), {"received": received})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://key@127.0.0.1:{server.server_port}/1", received
        server.shutdown()
        thread.join()


def test_a_bug_in_a_module_of_a_host_arrives_before_its_worker_has_gone(
    host: Any, sink: tuple[str, list[bytes]]
) -> None:
    dsn, received = sink
    host.configure(processes=1)
    host.up(sets=[f"sentry.dsn={dsn}"])
    with pytest.raises(OSError, match=r".*"):
        host.get("/crash")
    host.until(lambda: b"a bug in a callback" in b"".join(received))
    text = b"".join(received)
    assert b"RuntimeError" in text
    assert b'"server_name":"one"' in text
    assert b'"group":"echo"' in text


def test_without_a_dsn_there_is_no_tracker() -> None:
    assert tracker("", host="h", release="1", group="edge") is None


def test_an_error_is_reported_without_secrets(sink: tuple[str, list[bytes]]) -> None:
    dsn, received = sink
    track = tracker(dsn, host="one", release="1.2", group="edge")
    assert track is not None
    error = ValueError("password=hunter2")
    track({"event": "module.bug", "error": error, "token": "hunter2"})
    track({"event": "plain"})
    track.flush()
    text = b"".join(received)
    assert b"ValueError" in text
    assert b'"edge"' in text
    assert b"plain" in text
    assert b'"hunter2"' not in text
    assert b"password=hunter2" not in text
