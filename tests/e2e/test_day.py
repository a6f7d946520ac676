"""A user's first day: releases, scale, environment, domains, logs, roll-back; and what must not happen meanwhile."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from installation import Installation

APP = """
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Page(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        text = f"{VERSION} {os.getpid()} {os.environ.get('GREETING', '')} {os.environ['DATA_DIR']}\\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)
        print("asked for", self.path, flush=True)

VERSION = "one"
ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Page).serve_forever()
"""


def program(folder: Path, version: str, text: str = APP) -> str:
    folder.mkdir(exist_ok=True)
    (folder / "app.py").write_text(text.replace('"one"', repr(version)))
    (folder / "Procfile").write_text("web: python3 app.py\n")
    return str(folder)


class Visitor(threading.Thread):
    """Ask again and again, and remember what was not 200."""

    def __init__(self, site: Installation, path: str) -> None:
        super().__init__(daemon=True)
        self.site, self.path = site, path
        self.answers = 0
        self.faults: list[str] = []
        self.over = threading.Event()

    def run(self) -> None:
        while not self.over.is_set():
            try:
                answer = self.site.get("demo.localhost", self.path)
            except OSError as error:
                self.faults.append(repr(error))
                continue
            self.answers += 1
            if answer.status != 200:
                self.faults.append(f"{answer.status} {answer.text[:80]}")

    def __enter__(self) -> Visitor:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.join(30)


def until(condition, seconds: float = 90.0) -> None:  # type: ignore[no-untyped-def]
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.05)


def test_a_day(site: Installation, tmp_path: Path) -> None:
    site.run("deploy", program(tmp_path / "app", "one"), "--app", "day", "--tenant", "demo")
    assert site.get("demo.localhost", "/day/").text.startswith("one ")
    with Visitor(site, "/day/") as visitor:
        site.run("deploy", program(tmp_path / "app", "two"), "--app", "day", "--tenant", "demo")
        assert site.get("demo.localhost", "/day/").text.startswith("two ")
        assert site.get("demo.localhost", "/day/1/").text.startswith("one ")
        site.run("app", "scale", "day", "3", "--tenant", "demo")
        until(lambda: len({site.get("demo.localhost", "/day/").text.split()[1] for _ in range(12)}) >= 1)
        site.run("app", "env", "set", "day", "GREETING=hi there", "--tenant", "demo")
        until(lambda: "hi there" in site.get("demo.localhost", "/day/").text)
        site.run("release", "rollback", "day", "--tenant", "demo")
        until(lambda: site.get("demo.localhost", "/day/").text.startswith("one "))
        site.run("release", "promote", "day", "2", "--to", "prod", "--tenant", "demo")
        until(lambda: site.get("demo.localhost", "/day/").text.startswith("two "))
        site.run("app", "scale", "day", "1", "--tenant", "demo")
    assert visitor.faults == []
    assert visitor.answers > 20
    site.run("app", "domain", "add", "day", "www.example.test", "--tenant", "demo")
    until((site.home / "data/tls/leaves/www.example.test.pem").exists)
    assert site.get("www.example.test", "/").text.startswith("two ")
    logs = site.run("app", "logs", "day", "--tenant", "demo").stdout
    assert "asked for /" in logs
    listed = site.json("release", "list", "day", "--tenant", "demo")
    assert len(listed["items"] if isinstance(listed, dict) else listed) == 2
    assert site.json("app", "show", "day", "--tenant", "demo")["live"]


CRASHES = "import sys; print('no database here', file=sys.stderr); sys.exit(3)"
HANGS = "import time; time.sleep(3600)"
ELSEWHERE = APP.replace('int(os.environ["PORT"])', "9999")
BROKEN = APP.replace("send_response(200)", "send_response(500)")


@pytest.mark.parametrize("text", [CRASHES, HANGS, ELSEWHERE, BROKEN], ids=["crashes", "hangs", "elsewhere", "500"])
def test_a_bad_release_never_touches_the_live_one(
    site: Installation, tmp_path: Path, text: str, request: pytest.FixtureRequest
) -> None:
    name = f"bad-{request.node.callspec.id}"
    site.run("deploy", program(tmp_path / "app", "one"), "--app", name, "--tenant", "demo")
    folder = Path(program(tmp_path / "app", "two", text))
    (folder / "app.toml").write_text("[health]\nstart_seconds = 3\n")
    with Visitor(site, f"/{name}/") as visitor:
        done = site.run("deploy", str(folder), "--app", name, "--tenant", "demo", check=False)
    assert done.returncode != 0
    if text is CRASHES:
        assert "no database here" in done.stderr
    assert visitor.faults == []
    assert site.get("demo.localhost", f"/{name}/").text.startswith("one ")
    release = site.json("release", "show", name, "2", "--tenant", "demo")
    assert release["state"] == "failed"


def test_data_outlives_releases_and_tenants_do_not_see_each_other(site: Installation, tmp_path: Path) -> None:
    keeps = APP.replace(
        "VERSION = ",
        "log = os.environ['DATA_DIR'] + '/log'\nopen(log, 'a').write('x')\nVERSION = open(log).read() or ",
    )
    site.run("deploy", program(tmp_path / "app", "one", keeps), "--app", "keeper", "--tenant", "demo")
    first = site.get("demo.localhost", "/keeper/").text.split()[0]
    site.run("deploy", program(tmp_path / "app", "two", keeps), "--app", "keeper", "--tenant", "demo")
    assert len(site.get("demo.localhost", "/keeper/").text.split()[0]) > len(first)
    assert site.get("other.localhost", "/keeper/").status in {404, 421}
    refused = site.run("app", "domain", "add", "keeper", "x.other.localhost", "--tenant", "demo", check=False)
    assert refused.returncode != 0
