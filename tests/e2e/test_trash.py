"""A deleted app comes back with its data, and serves as before."""

from __future__ import annotations

import time
from pathlib import Path

from installation import Installation

APP = """
import os, pathlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Page(BaseHTTPRequestHandler):
    def do_GET(self):
        file = pathlib.Path(os.environ["DATA_DIR"], "made-once")
        if not file.exists():
            file.write_text(os.urandom(8).hex())
        self.send_response(200)
        self.end_headers()
        self.wfile.write(f"{file.read_text()} {os.environ.get('SECRET', '')}".encode())

ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Page).serve_forever()
"""


def test_a_deleted_app_is_had_back_as_it_was(own: Installation, tmp_path: Path) -> None:
    own.up()
    own.run("tenant", "create", "demo")
    (tmp_path / "app.py").write_text(APP)
    (tmp_path / "Procfile").write_text("web: python3 app.py\n")
    own.run("deploy", str(tmp_path), "--app", "shop")
    own.run("app", "env", "set", "shop", "SECRET=x")
    before = own.get("demo.localhost", "/shop/").text
    assert before.endswith(" x")
    own.run("app", "delete", "shop", "--confirm", "shop", "--data")
    assert own.get("demo.localhost", "/shop/").status == 404
    [kept] = own.json("trash", "list")
    assert kept["app"] == "shop"
    assert "release/shop.1" in own.run("trash", "show", kept["name"]).stdout
    own.run("app", "undelete", "shop")
    deadline = time.monotonic() + 30
    while (answer := own.get("demo.localhost", "/shop/")).status != 200 and time.monotonic() < deadline:
        time.sleep(0.2)
    assert answer.text == before
    assert own.json("trash", "list") == []

    own.run("app", "delete", "shop", "--confirm", "shop", "--data")
    [kept] = own.json("trash", "list")
    own.run("trash", "purge", kept["name"], "--confirm", "shop")
    assert list((own.home / "data/apps/.trash").iterdir()) == []
    assert own.run("app", "undelete", "shop", check=False).returncode != 0
