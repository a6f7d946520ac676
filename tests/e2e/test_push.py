"""Push on a whole platform: streams through the real edge, an application that publishes, workers that die."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from installation import Installation

APP = """
import json, os, urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
import serai

class Page(BaseHTTPRequestHandler):
    def do_GET(self):
        path, _, query = self.path.partition("?")
        asked = dict(urllib.parse.parse_qsl(query))
        try:
            if path.endswith("/say"):
                serai.publish(asked["channel"], {"text": asked["text"]})
                body = b"said"
            elif path == "/":
                body = b"well"
            else:
                body = serai.ticket(asked["channels"].split(","), seconds=float(asked.get("seconds", "600"))).encode()
            self.send_response(200)
        except serai.SeraiError as error:
            self.send_response(400)
            body = str(error).encode()
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Page).serve_forever()
"""


class Stream:
    """A stream over TLS, read as a browser reads it."""

    def __init__(self, site: Installation, host: str, path: str, *fields: str) -> None:
        self._sock = site.connect(host, timeout=30)
        lines = "".join(f"{line}\r\n" for line in (f"Host: {host}:{site.https}", *fields))
        self._sock.sendall(f"GET {path} HTTP/1.1\r\n{lines}\r\n".encode())
        self._file = self._sock.makefile("rb")
        self.status = int(self._file.readline().split()[1])
        while self._file.readline() != b"\r\n":
            pass
        self.last = ""

    def events(self) -> Iterator[tuple[str, Any]]:
        """Yield (name, data) until the stream ends."""
        name, data = "", ""
        for line in self._file:
            key, _, value = line.decode().rstrip("\n").partition(": ")
            if key == "event":
                name = value
            elif key == "data":
                data = value
            elif key == "id":
                self.last = value
            elif not key and name:
                yield name, json.loads(data)
                name = data = ""

    def next(self, *wanted: str) -> tuple[str, Any]:
        """Return the next event, or the next of these names."""
        for name, data in self.events():
            if not wanted or name in wanted:
                return name, data
        raise EOFError("the stream has ended")

    def close(self) -> None:
        self._file.close()
        self._sock.close()


@contextmanager
def streaming(site: Installation, host: str, path: str, *fields: str) -> Iterator[Stream]:
    stream = Stream(site, host, path, *fields)
    try:
        yield stream
    finally:
        stream.close()


def bearer(site: Installation, login: str, role: str, tenant: str) -> str:
    site.run("user", "add", login, "--email", f"{login}@example.test")
    site.run("member", "set", login, role, "--tenant", tenant)
    return site.run("token", "make", "push", "--user", login, "--tenant", tenant).stdout.strip()


@pytest.fixture
def running(own: Installation, tmp_path: Path) -> Installation:
    own.up()
    for tenant in ("demo", "other"):
        own.run("tenant", "create", tenant)
    return own


def test_a_deployment_is_seen_as_it_happens_and_by_nobody_else(running: Installation, tmp_path: Path) -> None:
    site = running
    token = bearer(site, "petra", "viewer", "demo")
    shown = f"Authorization: Bearer {token}"
    with streaming(site, "console.localhost", "/push?channel=tenant/other", shown) as foreign:
        assert foreign.status == 404
    with streaming(site, "api.localhost", "/push?channel=tenant/demo") as nobody:
        assert nobody.status == 401
    query = "channel=tenant/demo&channel=app/demo/hello&channel=tasks/demo"
    with streaming(site, "console.localhost", f"/push?{query}", shown) as stream:
        assert stream.next()[0] == "ready"
        (tmp_path / "hello").mkdir()
        (tmp_path / "hello/index.html").write_text("hello")
        site.run("deploy", str(tmp_path / "hello"), "--tenant", "demo")
        seen: set[tuple[str, str, str]] = set()
        for name, data in stream.events():
            about = data["data"]
            seen.add((name, data["channel"], about.get("kind") or about["state"]))
            if ("change", "app/demo/hello", "release") in seen and ("task", "tasks/demo", "done") in seen:
                break
        assert ("change", "tenant/demo", "app") in seen
        assert ("task", "app/demo/hello", "to_do") in seen
        site.run("member", "remove", "petra", "--tenant", "demo")
        assert stream.next("end")[1]["code"] == "denied"


def test_an_application_publishes_to_its_visitors_through_thick_and_thin(running: Installation, tmp_path: Path) -> None:
    site = running
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "app.py").write_text(APP)
    (folder / "Procfile").write_text("web: python3 app.py\n")
    (folder / "app.toml").write_text("push = true\n")
    site.run("deploy", str(folder), "--tenant", "demo")
    host = "demo.localhost"
    ticket = site.get(host, "/shop/ticket?channels=news,sport").text

    def say(text: str) -> None:
        assert site.get(host, f"/shop/say?channel=news&text={text}").text == "said"

    with streaming(site, host, f"/shop/.push?ticket={ticket}&channel=news") as stream:
        assert stream.next()[0] == "ready"
        say("one")
        assert stream.next() == ("message", {"channel": "news", "data": {"text": "one"}})
        last = stream.last
        groups = site.json("status")["workers"]
        for worker in groups:
            if worker["group"] == "edge":
                os.kill(worker["pid"], signal.SIGKILL)
        say_until_up(say, "two")
    with streaming(site, host, f"/shop/.push?ticket={ticket}&channel=news", f"Last-Event-ID: {last}") as stream:
        assert stream.next("message")[1]["data"] == {"text": "two"}
    assert site.get(host, "/shop/.push?ticket=x").status == 403
    assert site.get(host, f"/shop/.push?ticket={ticket[:-3]}").status == 403
    assert site.get(host, "/shop/say?channel=no%20name&text=x").status == 400
    done = subprocess.run(
        ["curl", "-sSN", "--max-time", "3", "--cacert", str(site.home / "data/tls/ca.pem"), "--connect-to",
         f"{host}:{site.https}:127.0.0.1:{site.https}", f"https://{host}:{site.https}/shop/1/.push?ticket={ticket}"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "event: ready" in done.stdout, "each release has it, for its pages are tried there"


def say_until_up(say: Any, text: str) -> None:
    until = time.monotonic() + 20
    while True:
        try:
            say(text)
        except (OSError, AssertionError):
            if time.monotonic() > until:
                raise
            time.sleep(0.1)
        else:
            return


def test_a_reload_and_a_new_control_process_end_no_stream_silently(running: Installation) -> None:
    site = running
    token = bearer(site, "rita", "viewer", "demo")
    shown = f"Authorization: Bearer {token}"
    with streaming(site, "console.localhost", "/push?channel=tenant/demo", shown) as stream:
        assert stream.next()[0] == "ready"
        worker = next(each for each in site.json("status")["workers"] if each["group"] == "control")
        os.kill(worker["pid"], signal.SIGKILL)
        assert stream.next("reset")[1] == {"channel": "tenant/demo"}
        site.run("member", "set", "rita", "developer", "--tenant", "demo")
        assert stream.next("change")[1]["data"]["kind"] == "member"
