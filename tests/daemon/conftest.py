"""A host that runs in processes of its own, with a third party's service, and clients that hammer it."""

from __future__ import annotations

import http.client
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from ports import free_port

from serai.cli import machine
from serai.daemon import linux, record
from serai.daemon.home import Home
from serai.errors import SeraiError

THIRD_PARTY = Path(__file__).parent / "thirdparty"
OFF = "".join(f"[groups.{name}]\nprocesses = 0\n" for name in ("control", "bots", "agent", "edge"))


class Host:
    """One home and what runs there."""

    def __init__(self, folder: Path, code: Path) -> None:
        self.folder = folder
        self.code = code
        self.port = free_port()

    def configure(self, text: str = "", *, processes: int = 2, more: str = "", uid_base: int = 300_000) -> None:
        self.folder.mkdir(exist_ok=True)
        (self.folder / "serai.toml").write_text(
            f'[host]\nuid_base = {uid_base}\ndrain_seconds = 5\nname = "one"\n{OFF}'
            f'[groups.echo]\nmodules = ["echo.http"]\nprocesses = {processes}\n'
            f'[modules."echo.http"]\nlisten = ["http://127.0.0.1:{self.port}"]\ntext = "{text}"\n{more}'
        )

    def up(self, **options: Any) -> dict[str, Any]:
        return machine.up(self.folder, detach=True, **options)

    def get(self, path: str = "/") -> str:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", path)
            return connection.getresponse().read().decode()
        finally:
            connection.close()

    def record(self) -> record.Record:
        found = record.read(Home(self.folder).record)
        assert found is not None
        return found

    def pids(self) -> list[int]:
        found = record.read(Home(self.folder).record)
        return [] if found is None else [found.pid, *(worker.pid for worker in found.workers)]

    def descriptors(self) -> list[str]:
        links = []
        for link in Path(f"/proc/{self.pids()[0]}/fd").iterdir():
            with suppress(FileNotFoundError):
                links.append(str(link.readlink()).partition(":")[0])
        return sorted(links)

    def until(self, true: Any, seconds: float = 30.0) -> None:
        deadline = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < deadline, "it did not happen in time"
            time.sleep(0.02)

    def end(self) -> None:
        pids = self.pids()
        with suppress(SeraiError):
            machine.down(self.folder)
        for pid in pids:
            if linux.start_ticks(pid):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


@pytest.fixture
def room() -> Iterator[Path]:
    """A folder that unprivileged users reach, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="serai-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def code(room: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the third party's code that a test may change."""
    copy = room / "code"
    shutil.copytree(THIRD_PARTY, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setenv("PYTHONPATH", str(copy))
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.syspath_prepend(str(copy))
    yield copy
    for name in [name for name in sys.modules if name.startswith("echoes")]:
        del sys.modules[name]


@pytest.fixture
def home(room: Path) -> Path:
    """Where a home may be."""
    return room / "home"


@pytest.fixture
def host(home: Path, code: Path) -> Iterator[Host]:
    one = Host(home, code)
    one.configure()
    yield one
    one.end()


class Load:
    """Clients in threads: with keep-alive and with new connections, counting what fails."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.done = 0
        self.failures: list[str] = []
        self.bodies: set[str] = set()
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._new_connections),
            threading.Thread(target=self._new_connections),
            threading.Thread(target=self._keep_alive),
        ]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _new_connections(self) -> None:
        while not self._stop.is_set():
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
            self._ask(connection)
            connection.close()

    def _keep_alive(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        while not self._stop.is_set():
            self._ask(connection)
        connection.close()

    def _ask(self, connection: http.client.HTTPConnection) -> None:
        try:
            connection.request("GET", "/")
            answer = connection.getresponse()
            self.bodies.add(answer.read().decode())
            self.done += 1
        except OSError as error:
            self.failures.append(repr(error))
            connection.close()


@pytest.fixture
def load(host: Host) -> Load:
    return Load(host.port)
