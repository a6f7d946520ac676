"""What each kind of program says reaches its tenant, and following it survives a new release."""

from __future__ import annotations

import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from installation import Installation

WORD = "a-word-for-the-log"
PYTHON = f"""
import sys
print("{WORD} start", file=sys.stderr)
def app(environ, start_response):
    if environ["PATH_INFO"] == "/fail":
        raise RuntimeError("{WORD}")
    start_response("200 OK", [])
    return [b"fine"]
"""
NODE = f"""
require("http").createServer((asked, answer) => {{
    if (asked.url == "/fail") console.error("{WORD}");
    answer.end("fine");
}}).listen(process.env.PORT, process.env.HOST);
"""
KINDS: dict[str, dict[str, str]] = {
    "python": {"app.py": PYTHON},
    "node": {"package.json": '{"main": "server.js"}', "server.js": NODE},
    "php": {
        "index.php": "fine",
        "fail.php": f"<?php error_log('{WORD}'); throw new Exception('{WORD}');",
    },
    "psgi": {
        "app.psgi": f"sub {{ die '{WORD}' if $_[0]{{PATH_INFO}} eq '/fail'; [200, [], ['fine']] }}",
    },
    "cgi": {"cgi-bin/fail": f"#!/bin/sh\necho {WORD} >&2\nexit 1\n"},
    "procfile": {
        "Procfile": "web: python3 -u server.py\n",
        "server.py": f"""
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        print("{WORD}" if self.path == "/fail" else "asked")
        self.send_response(200)
        self.end_headers()
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
""",
    },
}
FAILS = {"php": "fail.php", "cgi": "cgi-bin/fail"}


def write(folder: Path, files: dict[str, str]) -> str:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return str(folder)


def test_what_a_program_says_when_it_fails_reaches_its_tenant(site: Installation, tmp_path: Path) -> None:
    def said(kind: str) -> str:
        app = f"said-{kind}"
        site.run("deploy", write(tmp_path / kind, KINDS[kind]), "--app", app, "--tenant", "demo")
        site.get("demo.localhost", f"/{app}/{FAILS.get(kind, 'fail')}")
        told = ""
        for _ in range(50):
            told = site.run("app", "logs", app, "--tenant", "demo", "--name", f"{app}.").stdout
            if WORD in told.replace(f"{WORD} start", ""):
                return ""
            time.sleep(0.1)
        return told

    with ThreadPoolExecutor(3) as threads:
        assert dict(zip(KINDS, threads.map(said, KINDS), strict=True)) == dict.fromkeys(KINDS, "")


def test_following_goes_on_through_a_new_release(site: Installation, tmp_path: Path) -> None:
    def deploy(number: int) -> None:
        text = KINDS["procfile"]["server.py"] + f"# {number}\n"
        folder = write(tmp_path, {**KINDS["procfile"], "server.py": text})
        site.run("deploy", folder, "--app", "followed", "--tenant", "demo")
        site.get("demo.localhost", "/followed/fail")

    deploy(1)
    words = ("app", "logs", "followed", "-f", "--tenant", "demo", "--name", "followed.")
    with subprocess.Popen(site.command(*words), env=site.environment(), stdout=subprocess.PIPE, text=True) as following:
        try:
            assert following.stdout is not None
            deploy(2)
            heard = set()
            for line in following.stdout:
                if WORD in line:
                    heard.add(line.split(".")[1])
                if heard == {"1", "2"}:
                    break
        finally:
            following.kill()


def test_following_goes_on_through_an_upgrade_and_holds_nothing_up(own: Installation, tmp_path: Path) -> None:
    own.up("host.drain_seconds=20")
    own.run("tenant", "create", "demo")
    own.run("deploy", write(tmp_path, KINDS["procfile"]), "--app", "followed", "--tenant", "demo")
    own.get("demo.localhost", "/followed/first")
    words = ("app", "logs", "followed", "-f", "--tenant", "demo")
    with subprocess.Popen(own.command(*words), env=own.environment(), stdout=subprocess.PIPE, text=True) as following:
        try:
            assert following.stdout is not None
            assert following.stdout.readline()
            own.run("upgrade")
            own.get("demo.localhost", "/followed/fail")
            heard = [next(line for line in following.stdout if WORD in line)]
            own.run("down")
            heard += [line for line in following.stdout if WORD in line]
            assert len(heard) == 1
        finally:
            following.kill()
    assert "drain.late" not in (own.home / "logs" / "serai.jsonl").read_text()
