"""A git server in small: real repositories behind git's own HTTP backend, over TLS, on loopback.

Whoever wants its fixtures, `git_server` and `publish`, imports them in a conftest.
"""

from __future__ import annotations

import base64
import datetime
import os
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HOST = "git.test"  # looked up by the tests' own resolvers alone


def run_git(folder: Path, *words: str) -> str:
    """Run git as nobody in particular."""
    who = {"GIT_AUTHOR_NAME": "x", "GIT_AUTHOR_EMAIL": "x@x", "GIT_COMMITTER_NAME": "x", "GIT_COMMITTER_EMAIL": "x@x"}
    env = {**os.environ, **who, "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null"}
    done = subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True, env=env)
    return done.stdout.decode().strip()


class Server(ThreadingHTTPServer):
    """Its repositories lie in ``root``; ``password`` guards them; ``moved`` is where ``/moved`` redirects to."""

    daemon_threads = True
    host = HOST
    root: Path
    password = ""
    moved = ""
    pause = 0.0  # seconds before each answer
    seen: list[tuple[str, str]]  # path and authorization of each request

    git = staticmethod(run_git)

    @property
    def url(self) -> str:
        """Return where it is."""
        return f"https://{HOST}:{self.server_port}"

    def handle_error(self, *_about: Any) -> None:
        """Say nothing: clients that go away are what is tested."""


class Backend(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.answer(b"")

    def do_POST(self) -> None:
        if "chunked" in self.headers.get("transfer-encoding", ""):
            self.send_error(411)
            return
        self.answer(self.rfile.read(int(self.headers.get("content-length", 0))))

    def answer(self, body: bytes) -> None:
        shown = self.headers.get("authorization", "")
        self.server.seen.append((self.path, shown))
        time.sleep(self.server.pause)
        parts = urlsplit(self.path)
        if parts.path.startswith("/moved"):
            self.bare(302, location=self.server.moved + self.path.removeprefix("/moved"))
            return
        wanted = "Basic " + base64.b64encode(f"git:{self.server.password}".encode()).decode()
        if self.server.password and shown != wanted:
            self.bare(401, www_authenticate='Basic realm="git"')
            return
        told = {
            "GIT_PROJECT_ROOT": str(self.server.root), "GIT_HTTP_EXPORT_ALL": "1", "PATH_INFO": parts.path,
            "QUERY_STRING": parts.query, "REQUEST_METHOD": self.command, "CONTENT_LENGTH": str(len(body)),
            "CONTENT_TYPE": self.headers.get("content-type", ""), "GIT_PROTOCOL": self.headers.get("git-protocol", ""),
            "HTTP_CONTENT_ENCODING": self.headers.get("content-encoding", ""),
            "PATH": os.environ["PATH"], "HOME": str(self.server.root), "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*",
        }  # fmt: skip
        said = subprocess.run(["git", "http-backend"], input=body, env=told, capture_output=True, check=False).stdout
        head, _, content = said.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        self.send_response(int(fields.pop("Status", "200").split()[0]))
        for name, value in fields.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def bare(self, status: int, **fields: str) -> None:
        self.send_response(status)
        for name, value in {**fields, "content_length": "0"}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def log_message(self, *_words: object) -> None:
        """Say nothing."""


def certificate(folder: Path) -> Path:
    """Make a certificate that is its own authority; return the file with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = datetime.datetime.now(datetime.UTC)
    names = x509.SubjectAlternativeName([x509.DNSName(HOST), x509.DNSName(f"other.{HOST}"), x509.DNSName("localhost")])
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1)).add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    private, plain, pem = serialization.PrivateFormat.PKCS8, serialization.NoEncryption(), serialization.Encoding.PEM
    (folder / "server.pem").write_bytes(key.private_bytes(pem, private, plain) + made.public_bytes(pem))
    (folder / "ca.pem").write_bytes(made.public_bytes(pem))
    return folder / "server.pem"


@pytest.fixture
def git_server(tmp_path: Path) -> Iterator[Server]:
    """A git server without a repository."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate(tmp_path))
    with Server(("127.0.0.1", 0), Backend) as made:
        made.root, made.seen = tmp_path, []
        made.socket = context.wrap_socket(made.socket, server_side=True, do_handshake_on_connect=False)
        thread = threading.Thread(target=made.serve_forever, daemon=True)
        thread.start()
        yield made
        made.shutdown()
        thread.join()


@pytest.fixture
def publish(tmp_path: Path) -> Callable[..., Path]:
    """Make a repository of files and give it to the server; return the folder in which to commit more."""

    def made(name: str, files: dict[str, str], links: dict[str, str] | None = None) -> Path:
        work = tmp_path / f"{name}.work"
        work.mkdir()
        run_git(work, "init", "-q", "-b", "main")
        for path, content in files.items():
            (work / path).parent.mkdir(parents=True, exist_ok=True)
            (work / path).write_text(content)
        for path, target in (links or {}).items():
            (work / path).symlink_to(target)
        run_git(work, "add", "-A")
        run_git(work, "commit", "-qm", "first")
        run_git(tmp_path, "clone", "-q", "--bare", str(work), f"{name}.git")
        run_git(work, "remote", "add", "origin", str(tmp_path / f"{name}.git"))
        return work

    return made
