"""What tests of several services share: a git server, from `git_server` beside the tests."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from git_server import git_server, publish

__all__ = ["git_server", "publish"]


@pytest.fixture
def silent_port() -> Iterator[int]:
    """The port of a listener that accepts, and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made.getsockname()[1]
