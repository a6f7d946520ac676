"""The command line on a real API, over its real socket, in another thread of this process."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog

from serai.cli.main import run


def _api_support() -> Any:
    path = Path(__file__).parents[1] / "api" / "conftest.py"
    spec = importlib.util.spec_from_file_location("api_support", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["api_support"] = module
    spec.loader.exec_module(module)
    return module


@dataclass
class Done:
    status: int
    out: str
    err: str


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home whose API runs."""
    (tmp_path / "home/run").mkdir(parents=True)
    return tmp_path / "home"


@pytest.fixture
def api(home: Path) -> Iterator[Any]:
    support = _api_support()
    ready, end = threading.Event(), threading.Event()
    found: list[Any] = []

    async def serve() -> None:
        async with support.serving(home) as running:
            (home / "run/api.sock").symlink_to(running.path)
            found.append(running)
            ready.set()
            await asyncio.to_thread(end.wait)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert ready.wait(20)
    # The server's log is not the command's output.
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    yield found[0]
    end.set()
    thread.join(20)
    structlog.reset_defaults()


@pytest.fixture
def serai(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """Run a command as a person would; SERAI_HOME names the home."""
    for name in [name for name in os.environ if name.startswith("SERAI_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("SERAI_HOME", str(home))
    monkeypatch.setenv("COLUMNS", "120")

    def call(*words: str) -> Done:
        capsys.readouterr()
        status = run(words)
        told = capsys.readouterr()
        return Done(status, told.out, told.err)

    return call
