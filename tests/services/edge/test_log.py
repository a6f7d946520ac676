"""The access log is bounded, and a full disk costs lines only."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from serai.services.edge.log import BATCH, AccessLog, Entry


def entry(number: int = 0) -> Entry:
    return Entry(1.0, 0.1, 200, "GET", "a.test", f"/{number}", "demo", "hello", 1, "i", "::1", "id", 0, 10)


def test_lines_are_written_at_a_flush_or_when_many_wait(tmp_path: Path) -> None:
    log = AccessLog(tmp_path / "logs" / "access.log", limit=1 << 20, files=2)
    log.open()
    log.append(entry())
    assert (tmp_path / "logs" / "access.log").read_text() == ""
    log.flush()
    assert json.loads((tmp_path / "logs" / "access.log").read_text())["status"] == 200
    for number in range(BATCH):
        log.append(entry(number))
    assert len((tmp_path / "logs" / "access.log").read_text().splitlines()) == BATCH + 1
    log.close()
    log.close()


@pytest.mark.parametrize("files", [1, 3])
def test_files_are_put_aside_and_the_oldest_go(tmp_path: Path, files: int) -> None:
    log = AccessLog(tmp_path / "access.log", limit=1000, files=files)
    log.open()
    for number in range(100):
        log.append(entry(number))
        log.flush()
    log.close()
    found = sorted(path.name for path in tmp_path.iterdir())
    assert found == ["access.log", "access.log.1", "access.log.2"][:files]
    assert all(path.stat().st_size <= 1000 for path in tmp_path.iterdir())
    assert "/99" in (tmp_path / "access.log").read_text()


def test_a_full_disk_costs_lines_and_nothing_else(tmp_path: Path) -> None:
    log = AccessLog(tmp_path / "access.log", limit=1 << 20, files=2)
    log.open()
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, log._fd)
    os.close(full)
    log.append(entry())
    log.flush()
    assert log.lost == 1
    log.close()
