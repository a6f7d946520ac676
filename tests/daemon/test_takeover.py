from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from serai.daemon import takeover
from serai.daemon.record import SocketRecord


def test_what_is_no_socket_is_not_kept_open(tmp_path: Path) -> None:
    """A lock that a worker holds must end with that worker, although we looked at its descriptor."""
    path = tmp_path / "lock"
    held = os.open(path, os.O_RDWR | os.O_CREAT)
    fcntl.flock(held, fcntl.LOCK_EX)
    pidfd = os.pidfd_open(os.getpid())
    try:
        try:
            found = takeover._fetch_one([pidfd], SocketRecord(fd=held, name="('127.0.0.1', 1)"))
        except OSError:
            pytest.skip("this kernel does not hand out descriptors")
        assert found is None
    finally:
        os.close(held)
        os.close(pidfd)
    again = os.open(path, os.O_RDWR)
    fcntl.flock(again, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(again)
