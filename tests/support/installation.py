"""A whole platform in a home of its own, used as a person would: by its command line and over its ports."""

from __future__ import annotations

import http.client
import json
import os
import socket
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ports import free_port

SERAI = Path(sys.executable).with_name("serai")
ROOT = Path(__file__).parents[2]


@dataclass
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")


class Installation:
    """Run `serai` commands on one home and speak to its edge."""

    def __init__(self, home: Path, *, user: int | None = None) -> None:
        self.home = home
        self.http = free_port()
        self.https = free_port()
        self.user = user

    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("SERAI_")}
        return kept | {"SERAI_HOME": str(self.home)}

    def command(self, *words: str) -> list[str]:
        drop = ["setpriv", "--reuid", str(self.user), "--regid", str(self.user), "--clear-groups"] if self.user else []
        return [*drop, str(SERAI), *words]

    def run(
        self, *words: str, check: bool = True, timeout: float = 110, stdin: str = ""
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            self.command(*words),
            check=False,
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=timeout,
            input=stdin,
        )
        if check and done.returncode != 0:
            raise AssertionError(f"serai {' '.join(words)} ended with {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def json(self, *words: str) -> Any:
        return json.loads(self.run(*words, "--json").stdout)

    def up(self, *sets: str) -> None:
        listen = [
            f'modules."edge.http".{scheme}=["tcp://127.0.0.1:{port}"]'
            for scheme, port in (("http", self.http), ("https", self.https))
        ]
        words = [word for value in (*listen, *sets) for word in ("--set", value)]
        self.run("up", "--detach", *words)

    def down(self) -> None:
        self.run("down", check=False)

    def trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.home / "data" / "tls" / "ca.pem")

    def connect(self, host: str, timeout: float = 20) -> ssl.SSLSocket:
        plain = socket.create_connection(("127.0.0.1", self.https), timeout=timeout)
        return self.trust().wrap_socket(plain, server_hostname=host)

    def get(
        self,
        host: str,
        path: str,
        method: str = "GET",
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        connection = http.client.HTTPConnection(host, timeout=30)
        connection.sock = self.connect(host, timeout=30)
        port = "" if self.https == 443 else f":{self.https}"
        try:
            connection.request(method, path, body, {"Host": host + port, **(headers or {})})
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            connection.close()


@contextmanager
def elsewhere() -> Iterator[Path]:
    """A folder on the disk into which every user may look.

    What is in it in the end, the programs of a whole platform, goes on its own time: no test waits for a slow disk.
    """
    folder = Path(tempfile.mkdtemp(prefix="serai-", dir="/var/tmp"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        os.posix_spawnp("rm", ["rm", "-rf", "--one-file-system", folder], os.environ, setsid=True)


@contextmanager
def installed(*, user: int | None = None) -> Iterator[Installation]:
    """A platform that is not yet started, in a folder that is its own; stopped in the end."""
    with elsewhere() as folder:
        if user is not None:
            os.chown(folder, user, user)
        installation = Installation(folder / "home", user=user)
        try:
            yield installation
        finally:
            installation.down()
