"""A repository is fetched as files, over https from a server made here, and nothing in it runs."""

from __future__ import annotations

import datetime
import os
import ssl
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from serai.errors import UnavailableError
from serai.services.apps.commands.deploy import default_name, named
from serai.services.checkout import checkout


class Backend(BaseHTTPRequestHandler):
    """Hand requests to git's own server; ``/moved`` leads elsewhere."""

    root = ""

    def do_GET(self) -> None:
        self.answer(b"")

    def do_POST(self) -> None:
        self.answer(self.rfile.read(int(self.headers.get("content-length", 0))))

    def answer(self, body: bytes) -> None:
        parts = urlsplit(self.path)
        if parts.path.startswith("/moved"):
            self.send_response(302)
            self.send_header("content-length", "0")
            self.send_header("location", self.path.replace("/moved", "/program.git", 1))
            self.end_headers()
            return
        told = {
            "GIT_PROJECT_ROOT": self.root, "GIT_HTTP_EXPORT_ALL": "1", "PATH_INFO": parts.path,
            "QUERY_STRING": parts.query, "REQUEST_METHOD": self.command, "CONTENT_LENGTH": str(len(body)),
            "CONTENT_TYPE": self.headers.get("content-type", ""), "GIT_PROTOCOL": self.headers.get("git-protocol", ""),
            "PATH": os.environ["PATH"], "HOME": self.root,
        }  # fmt: skip
        said = subprocess.run(["git", "http-backend"], input=body, env=told, capture_output=True, check=True).stdout
        head, _, content = said.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        self.send_response(int(fields.pop("Status", "200").split()[0]))
        for name, value in fields.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_words: object) -> None:
        """Say nothing."""


def certificate(folder: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    path = folder / "server.pem"
    private = serialization.PrivateFormat.PKCS8
    plain = serialization.NoEncryption()
    pem = serialization.Encoding.PEM
    path.write_bytes(key.private_bytes(pem, private, plain) + made.public_bytes(pem))
    return path


def git(folder: Path, *words: str) -> None:
    who = ("-c", "user.name=x", "-c", "user.email=x@example.org")
    subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    work = tmp_path / "work"
    work.mkdir()
    git(work, "init", "-q", "-b", "main")
    (work / "app.py").write_text("print('one')\n")
    (work / "outside").symlink_to("/etc/passwd")
    (work / ".gitmodules").write_text('[submodule "x"]\n    path = x\n    url = file:///etc\n')
    git(work, "add", "-A")
    git(work, "commit", "-qm", "one")
    git(work, "branch", "staging")
    (work / "app.py").write_text("print('two')\n")
    git(work, "commit", "-qam", "two")
    git(tmp_path, "clone", "-q", "--bare", str(work), "program.git")
    pem = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    monkeypatch.setattr(Backend, "root", str(tmp_path))
    monkeypatch.setenv("GIT_SSL_CAINFO", str(pem))
    with ThreadingHTTPServer(("127.0.0.1", 0), Backend) as made:
        made.socket = context.wrap_socket(made.socket, server_side=True)
        thread = threading.Thread(target=made.serve_forever, daemon=True)
        thread.start()
        yield f"https://localhost:{made.server_port}"
        made.shutdown()
        thread.join()


def test_a_branch_is_fetched_as_files_and_the_folder_goes(server: str) -> None:
    with checkout(f"{server}/program.git") as folder:
        assert (folder / "app.py").read_text() == "print('two')\n"
        assert not (folder / "outside").is_symlink(), "links are text here: none leads out"
        assert not (folder / "x").exists(), "no submodule"
    assert not folder.exists()
    with checkout(f"{server}/program.git#staging") as folder:
        assert (folder / "app.py").read_text() == "print('one')\n"


def test_what_is_not_there_or_leads_elsewhere_is_refused_with_what_git_says(server: str) -> None:
    for url in (f"{server}/nothing.git", f"{server}/program.git#nothing", f"{server}/moved"):
        with pytest.raises(UnavailableError, match="git can't fetch it"), checkout(url):
            pass


def test_an_app_is_named_after_its_repository() -> None:
    for url in ("https://example.org/a/My-Shop.git#v1", "git@example.org:a/my-shop.git", "ssh://x@h/my-shop/"):
        assert default_name(named(url)) == "my-shop"
