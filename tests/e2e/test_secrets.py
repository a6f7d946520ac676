"""A secret that an app was given lies nowhere in the home, and in no argument vector, whatever happens to the app."""

from __future__ import annotations

import os
import time
from pathlib import Path

from installation import Installation

MARKER = "mArKeR-7b1f0c2a9d"
SHOWN = "sHoWn-42e1b7c05f"

APP = """
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Page(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path.endswith("/crash"):
            os._exit(9)
        text = os.environ.get("SECRET", "")[::-1].encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Page).serve_forever()
"""


def program(folder: Path, text: str = APP) -> str:
    folder.mkdir(exist_ok=True)
    (folder / "app.py").write_text(text)
    (folder / "Procfile").write_text("web: python3 app.py\n")
    (folder / "app.toml").write_text("[health]\nstart_seconds = 8\n")
    return str(folder)


def leaks(home: Path) -> list[str]:
    """Return the files below the home, and the argument vectors of this machine, that hold a marker."""
    marks = [MARKER.encode(), SHOWN.encode()]
    found = []
    for folder, _, names in os.walk(home):
        for name in names:
            path = Path(folder, name)
            if path.is_file() and not path.is_symlink() and any(mark in path.read_bytes() for mark in marks):
                found.append(str(path))
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes()
        except OSError:
            continue
        if any(mark in words for mark in marks):
            found.append(str(process))
    return found


def until_told(site: Installation, wanted: str) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if site.get("demo.localhost", "/vault/").text == wanted:
            return
        time.sleep(0.2)
    raise AssertionError(site.get("demo.localhost", "/vault/").text)


def test_a_secret_is_nowhere_after_deploy_restart_crash_and_failure(own: Installation, tmp_path: Path) -> None:
    own.up()
    own.run("tenant", "create", "demo")
    own.run("deploy", program(tmp_path / "vault"))
    own.run("app", "env", "set", "vault", "SECRET=-", stdin=MARKER)
    own.run("app", "env", "set", "vault", "COLOUR=-", "--plain", stdin=SHOWN)
    until_told(own, MARKER[::-1])
    assert leaks(own.home) == []

    listed = own.run("app", "env", "list", "vault").stdout
    assert f"COLOUR={SHOWN}" in listed
    assert "SECRET=«set, hidden»" in listed
    assert own.json("app", "env", "list", "vault") == {"COLOUR": SHOWN, "SECRET": None}

    own.run("app", "restart", "vault")
    until_told(own, MARKER[::-1])
    own.get("demo.localhost", "/vault/crash")
    until_told(own, MARKER[::-1])
    assert leaks(own.home) == []

    broken = "import os, sys\nassert os.environ['SECRET']\nsys.exit('it can not work')\n"
    done = own.run("deploy", program(tmp_path / "broken", broken), "--app", "vault", check=False)
    assert done.returncode != 0
    assert MARKER not in done.stdout + done.stderr
    assert leaks(own.home) == []

    own.run("down")
    assert leaks(own.home) == [], "not in what a stopped platform leaves, either"
    own.up()
    until_told(own, MARKER[::-1])
