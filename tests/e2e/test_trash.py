"""What was deleted comes back with its data, and serves as before."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

from installation import Installation

from serai.services.apps.descriptors import App
from serai.store.open import open_store

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


def test_a_deleted_release_and_a_deleted_tenant_are_had_back_as_they_were(own: Installation, tmp_path: Path) -> None:
    own.up()
    own.run("tenant", "create", "demo")
    own.run("user", "add", "ada", "--email", "ada@example.test")
    own.run("member", "set", "ada", "owner", "--tenant", "demo")
    (tmp_path / "app.py").write_text(APP)
    (tmp_path / "Procfile").write_text("web: python3 app.py\n")
    own.run("deploy", str(tmp_path), "--app", "shop")
    own.run("deploy", str(tmp_path), "--app", "shop")
    before = own.get("demo.localhost", "/shop/").text

    own.run("release", "delete", "shop", "1")
    assert own.get("demo.localhost", "/shop/1/").status == 404
    [kept] = own.json("trash", "list")
    assert (kept["what"], kept["app"]) == ("release", "shop")
    own.run("undelete", "release", "shop.1")
    assert answers(own, "/shop/1/") == before
    assert own.run("undelete", "release", "shop.1", check=False).returncode != 0

    own.run("app", "domain", "add", "shop", "www.example.org")
    own.run("app", "domain", "remove", "shop", "www.example.org")
    own.run("undelete", "domain", "www.example.org")
    assert own.get("www.example.org", "/").text == before

    assert own.run("tenant", "delete", "demo", check=False).returncode != 0
    own.run("tenant", "delete", "demo", "--confirm", "demo")
    assert own.get("demo.localhost", "/shop/").status == 404
    assert own.json("tenant", "list") == []
    assert own.run("tenant", "create", "demo", check=False).returncode != 0, "its name is not given twice"
    [kept] = own.json("trash", "list", "--tenant", "-")
    assert (kept["what"], kept["app"]) == ("tenant", "demo")
    until(lambda: not (own.home / "data/apps/demo/shop").exists(), "its folders are aside")
    own.run("undelete", "tenant", "demo")
    assert answers(own, "/shop/") == before
    assert own.get("www.example.org", "/").text == before
    assert [one["login"] for one in own.json("member", "list", "--tenant", "demo")] == ["ada"]

    own.run("tenant", "delete", "demo", "--confirm", "demo")
    [kept] = own.json("trash", "list", "--tenant", "-")
    own.run("trash", "purge", kept["name"], "--tenant", "-", "--confirm", "demo")
    assert list((own.home / "data/apps/.trash").iterdir()) == []
    assert own.run("undelete", "tenant", "demo", check=False).returncode != 0


def test_an_app_that_has_no_host_is_deleted_like_any_other(site: Installation) -> None:
    async def put() -> None:
        store = open_store(f"sqlite:{site.home}/data/store/store.db")
        for app, host in (("never", ""), ("lost", "elsewhere")):
            await store.put("system", "test", "other", app, App(host=host))
        await store.close()

    asyncio.run(put())
    for app in ("never", "lost"):
        told = site.run("app", "delete", app, "--confirm", app, "--tenant", "other")
        assert f"{app} is deleted." in told.stderr
    assert not {"never", "lost"} & {one["name"] for one in site.json("app", "list", "--tenant", "other")}


def answers(own: Installation, path: str) -> str:
    """Return what is answered once it is served."""
    until(lambda: own.get("demo.localhost", path).status == 200, path)
    return own.get("demo.localhost", path).text


def until(happened: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 40
    while not happened():
        assert time.monotonic() < deadline, what
        time.sleep(0.2)
