"""A whole platform for the console's tests in a browser: people, apps, a git server, and hostile names all over."""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
from dataclasses import dataclass
from pathlib import Path

from git_server import Backend, Server, certificate
from hostile import HOSTILE, LONG, spoil
from installation import Installation

from serai.identity.testing import PASSPHRASE

PAGE = "<!doctype html><html lang=en><title>Shop</title><h1>Bread</h1>"
PEOPLE = (("ada", "operator", "-"), ("ben", "owner", "acme"), ("cleo", "owner", "acme"))


@dataclass
class Stand:
    """A platform that runs, the tenant acme with an app, and a git server whose repositories it may fetch."""

    site: Installation
    git: Server
    folder: Path

    @property
    def origin(self) -> str:
        """Return where the console is."""
        return f"https://console.localhost:{self.site.https}"

    def program(self, name: str, text: str = PAGE) -> Path:
        """Write a folder that can be deployed."""
        place = self.folder / name
        place.mkdir(exist_ok=True)
        (place / "index.html").write_text(text)
        return place

    def built(self, name: str, text: str = PAGE) -> Path:
        """Write one whose build takes a second, and says something before and after it."""
        place = self.program(name, text)
        (place / "Procfile").write_text("web: python3 -m http.server $PORT\n")
        script = "echo kneading; sleep 1; echo baking"
        (place / "package.json").write_text(
            json.dumps({"name": name, "version": "1.0.0", "scripts": {"build": script}})
        )
        return place

    def repository(self, name: str) -> str:
        """Make a repository of such a folder, and return its URL."""
        work = self.program(f"{name}.work")
        for words in (("init", "-q", "-b", "main"), ("add", "-A"), ("commit", "-qm", "first")):
            self.git.git(work, *words)
        self.git.git(self.git.root, "clone", "-q", "--bare", str(work), f"{name}.git")
        return f"https://localhost:{self.git.server_port}/{name}.git"


def serving(folder: Path) -> Server:
    """Return a git server that runs until its context ends."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate(folder))
    made = Server(("127.0.0.1", 0), Backend)
    made.root, made.seen = folder, []
    made.socket = context.wrap_socket(made.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=made.serve_forever, daemon=True).start()
    return made


def furnish(stand: Stand) -> None:
    """Let there be something to show on every page, with names that nobody would wish for."""
    site = stand.site
    site.run("tenant", "create", "acme", "--title", HOSTILE)
    front = ("--url", f"https://api.localhost:{site.https}", "--ca", str(site.home / "data/tls/ca.pem"))
    for login, role, tenant in PEOPLE:
        link = site.run("user", "add", login, "--email", f"{login}@example.test").stdout
        site.run("member", "set", login, role, "--tenant", tenant)
        site.run(*front, "accept", stdin=f"{link}{PASSPHRASE}\n")
    for number in ("one", "two"):
        program = str(stand.program("shop", PAGE + number))
        site.run("deploy", program, "--app", "shop", "--tenant", "acme", "--title", f"{number} {HOSTILE} {LONG}")
    worker = stand.folder / "worker"
    worker.mkdir()
    (worker / "Procfile").write_text("web: python3 -m http.server $PORT\n")
    site.run("deploy", str(worker), "--app", "worker", "--tenant", "acme")
    more = ("--app", "worker", "--tenant", "acme")
    site.run("schedule", "put", "long", "every 1d", "sleep", "300", "--command", *more)
    site.run("role", "set", "releaser", "--tenant", "acme", "--action", "app.promote")
    asyncio.run(spoil(site.home))
