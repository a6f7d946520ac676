"""A disk that is full: a clear error, the live release untouched, and all is well once there is room."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from installation import Installation, elsewhere
from test_day import program, until

from serai.cloud import mounts


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Installation]:
    with elsewhere() as folder:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256m,mode=755", "tmpfs", folder], check=True)
        site = Installation(folder / "home")
        try:
            yield site
        finally:
            site.down()
            subprocess.run(["umount", "-l", folder], check=True)


def fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while True:
                    file.write(os.urandom(size))
            except OSError:
                continue


def is_closed(volume: Path) -> bool:
    """Write, as programs do, and tell whether the kernel has had enough of it."""
    with contextlib.suppress(OSError):
        (volume / "written").write_bytes(os.urandom(1 << 20))
        subprocess.run(["sync", "-f", volume], check=False, capture_output=True)
    return mounts.closed(volume)


def test_a_full_disk_refuses_changes_and_loses_nothing(small: Installation, tmp_path: Path) -> None:
    small.up()
    small.run("tenant", "create", "demo")
    small.run("deploy", program(tmp_path / "app", "one"), "--app", "day")
    ballast = small.home.parent / "ballast"
    fill(ballast)
    data = small.home / "data/apps/demo/day/data"
    if mounts.device(data):
        until(lambda: is_closed(data))
    refused = small.run("deploy", program(tmp_path / "app", "two"), "--app", "day", check=False)
    assert refused.returncode != 0
    assert "Traceback" not in refused.stderr
    assert any(word in refused.stderr.lower() for word in ("full", "space", "room")), refused.stderr
    assert small.get("demo.localhost", "/day/").text.startswith("one ")
    ballast.unlink()
    until(lambda: small.run("deploy", str(tmp_path / "app"), "--app", "day", check=False).returncode == 0)
    until(lambda: small.get("demo.localhost", "/day/").text.startswith("two "))
    (data / "written").write_text("all is well again")


def test_a_host_that_ends_on_a_full_disk_leaves_nothing_behind(small: Installation, tmp_path: Path) -> None:
    small.up()
    small.run("tenant", "create", "demo")
    small.run("deploy", program(tmp_path / "app", "one"), "--app", "day")
    fill(small.home.parent / "ballast")
    small.run("down")
    assert not list((small.home / "run/instances").iterdir())
    assert not mounts.device(small.home / "data/apps/demo/day/data")
