import http.client
import os
import socket
import subprocess
import time
from pathlib import Path

import pytest
from ports import free_port

from serai.services.apps import launchers

GATEWAY = Path(launchers.__file__).parent / "gateway"


class Gateway:
    """A gateway that runs as it does in a sandbox, and two ways to talk to it."""

    def __init__(self, root, options, env):
        self.port = free_port()
        self.log = root.parent / "gateway.log"
        argv = ["/usr/bin/python3", "-I", "-S", GATEWAY, "--port", str(self.port), "--root", root, *options]
        with self.log.open("wb") as out:
            self.process = subprocess.Popen(argv, env={**os.environ, **env}, stdout=out, stderr=out)
        deadline = time.monotonic() + 20
        while b"listening" not in self.log.read_bytes():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def ask(self, method, path, body=None, headers=None, **options):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body, headers or {}, **options)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def get(self, path, **headers):
        return self.ask("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})

    def raw(self, data, *, end=True):
        with socket.create_connection(("127.0.0.1", self.port), 20) as connection:
            connection.sendall(data)
            if end:
                connection.shutdown(socket.SHUT_WR)
            answer = b""
            while piece := connection.recv(65536):
                answer += piece
            return answer


@pytest.fixture
def gateway():
    running = []

    def go(root, *options, **env):
        running.append(Gateway(root, options, env))
        return running[-1]

    yield go
    for one in running:
        one.process.terminate()
        try:
            one.process.wait(10)
        except subprocess.TimeoutExpired:
            one.process.kill()
            one.process.wait()


@pytest.fixture
def site(tmp_path):
    root = tmp_path / "app"
    (root / "cgi-bin").mkdir(parents=True)

    def write(path, text, mode=0o755):
        place = root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
        place.chmod(mode)

    write.root = root
    return write
