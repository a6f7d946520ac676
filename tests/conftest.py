"""What tests of several packages share: patience, and a PostgreSQL server of the session's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, settings

from serai.store.cluster.private import PrivateServer, private_server

# No test judges how long anything takes: the machine may be slow, or busy with something else.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


@pytest.fixture(scope="session")
def postgres() -> Iterator[PrivateServer]:
    """A server for all tests that don't break it."""
    server = private_server()
    try:
        yield server
    finally:
        server.remove()


@pytest.fixture
def database(postgres: PrivateServer) -> Callable[[], str]:
    """Make an empty database with each call; return its address."""
    return lambda: postgres.address(postgres.database())
