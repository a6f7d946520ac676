"""The file stays within its bound, survives what processes suffer, and is begun anew where it is damaged."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from serai.errors import ExhaustedError, UnavailableError
from serai.store.embedded.series import EmbeddedSeries
from serai.store.series.driver import Row

LIMIT = 16 << 20


def on_disk(path: Path) -> int:
    return sum(each.stat().st_size for each in path.parent.iterdir())


def test_file_and_log_together_stay_within_the_bound(tmp_path: Path) -> None:
    path = tmp_path / "series.db"
    with closing(EmbeddedSeries(path, LIMIT)) as series:
        largest = dropped = 0
        for start in range(0, 6000, 10):
            rows = [Row(0, start, f"t{number}", os.urandom(700)) for number in range(60)]
            try:
                series.put(rows, {0: start})
            except ExhaustedError:
                dropped += series.drop(0, start - 1500, 2000)
            largest = max(largest, on_disk(path))
        assert dropped
        assert LIMIT / 3 < largest <= LIMIT
        assert series.get(0, "t1", [start])


def test_a_smaller_bound_gives_room_back_to_the_file_system(tmp_path: Path) -> None:
    path = tmp_path / "series.db"
    with closing(EmbeddedSeries(path, 4 * LIMIT)) as series:
        for start in range(0, 4000, 10):
            series.put([Row(0, start, f"t{number}", os.urandom(700)) for number in range(60)], {})
    assert path.stat().st_size > LIMIT
    with closing(EmbeddedSeries(path, LIMIT)) as series:
        with pytest.raises(ExhaustedError):
            series.put([Row(0, 1 << 20, "t", os.urandom(1 << 20))], {})
        while series.drop(0, 3500, 500):
            pass
        while path.stat().st_size > LIMIT and series.drop(0, 3500, 1) == 0:
            pass
        series.put([Row(0, 1 << 20, "t", os.urandom(1 << 20))], {})
    assert path.stat().st_size <= LIMIT


def use(series: EmbeddedSeries, octets: int = 1) -> None:
    for start in range(10, 3000, 10):
        series.get(0, "t1", [start])
        series.put([Row(0, start, "t1", os.urandom(octets))], {})


@pytest.mark.parametrize("damage", [b"no database at all, but long enough to look like a page" * 99, b""])
def test_a_file_that_is_none_is_begun_anew(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "series.db"
    path.write_bytes(damage)
    with closing(EmbeddedSeries(path, LIMIT)) as series:
        if damage:
            with pytest.raises(UnavailableError):
                series.put([Row(0, 0, "a", b"x")], {})
            assert series.lost == 1
        series.put([Row(0, 10, "a", b"x")], {})
        assert series.get(0, "a", [0, 10]) == [(10, b"x")]


def test_a_file_that_is_damaged_while_it_is_open_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "series.db"
    with closing(EmbeddedSeries(path, LIMIT)) as series:
        for start in range(0, 3000, 10):
            series.put([Row(0, start, f"t{number}", os.urandom(900)) for number in range(20)], {})
    with path.open("r+b") as file:
        for page in range(1, path.stat().st_size >> 14):
            file.seek(page << 14)
            file.write(b"\xa5" * 4096)
    with closing(EmbeddedSeries(path, LIMIT)) as series:
        with pytest.raises(UnavailableError):
            use(series)
        series.put([Row(0, 10, "t1", b"x")], {})
        assert series.get(0, "t1", [10]) == [(10, b"x")]


def test_another_version_s_file_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "series.db"
    with closing(sqlite3.connect(path)) as other:
        other.executescript("CREATE TABLE row (x); CREATE TABLE target (y); PRAGMA user_version = 99;")
    with closing(EmbeddedSeries(path, LIMIT)) as series:
        series.put([Row(0, 10, "a", b"x")], {0: 1})
        assert series.get(0, "a", [10]) == [(10, b"x")]


WRITER = """
import sys
from pathlib import Path
from serai.store.embedded.series import EmbeddedSeries
from serai.store.series.driver import Row
series = EmbeddedSeries(Path(sys.argv[1]), 16 << 20)
start = 0
while True:
    start += 10
    series.put([Row(0, start, f"t{number}", b"x" * 500) for number in range(30)], {0: start})
    print(start, flush=True)
"""


def test_what_was_put_survives_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "series.db"
    for _ in range(3):
        with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            for _ in range(40):
                line = writer.stdout.readline()
            writer.send_signal(signal.SIGKILL)
            acknowledged = int((writer.stdout.read().split() or [line])[-1])
        with closing(EmbeddedSeries(path, LIMIT)) as series:
            assert series.marks()[0] >= acknowledged
            assert len(series.targets(0, acknowledged, acknowledged + 1)) == 30
            assert series.get(0, "t7", [acknowledged]) == [(acknowledged, b"x" * 500)]


def test_a_folder_that_is_away_is_told_and_may_come_back(tmp_path: Path) -> None:
    path = tmp_path / "away" / "series.db"
    with closing(EmbeddedSeries(path, LIMIT)) as series:
        with pytest.raises(UnavailableError):
            series.put([Row(0, 10, "a", b"x")], {})
        path.parent.mkdir()
        series.put([Row(0, 10, "a", b"x")], {})
        assert series.used() > 0


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small file system")
def test_a_full_disk_is_told_and_forgotten_when_there_is_room(tmp_path: Path) -> None:
    mount = tmp_path / "small"
    mount.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(mount)], check=True)
    try:
        with closing(EmbeddedSeries(mount / "series.db", 1 << 30)) as series:
            series.put([Row(0, 0, "a", b"first")], {})
            filler = mount / "filler"
            filler.write_bytes(bytes(3 << 20))
            with pytest.raises(ExhaustedError, match="disk"):
                use(series, 20_000)
            assert series.get(0, "a", [0]) == [(0, b"first")]
            filler.unlink()
            series.put([Row(0, 1 << 20, "a", b"again")], {})
            assert series.get(0, "a", [1 << 20]) == [(1 << 20, b"again")]
    finally:
        subprocess.run(["umount", "--lazy", str(mount)], check=True)
