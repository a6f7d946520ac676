"""What tests of several packages share: patience, their order, and a PostgreSQL server of the session's own."""

from __future__ import annotations

import gc
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from serai.store.cluster.private import PrivateServer, private_server

if TYPE_CHECKING:
    from apart import Apart
    from judging import Browsers
    from playwright.sync_api import Browser

sys.path.append(str(Path(__file__).with_name("support")))

# No test judges how long anything takes: the machine may be slow, or busy with something else. What is tried is left to
# chance, so that more is tried with each run; but where a change is judged (CI), the same each time.
settings.register_profile(
    "patient", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=bool(os.environ.get("CI"))
)
settings.load_profile("patient")


#: Objects after which the collector looks for garbage. What thousands of tests consist of is never that, and whole
#: applications are made in them: by Python's own 700 a quarter of the time would go into looking for it.
GARBAGE = 50_000


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Look for no garbage while tests are collected, nor among them later."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.set_threshold(GARBAGE)
        gc.enable()


#: Those that start whole platforms and processes by the dozen, and wait for them: others fill the time until their end.
LONG = ("e2e", "tasks", "services")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where tests run side by side let the long ones begin; alone they stay in their order."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        here = Path(__file__).parent
        order = {name: number for number, name in enumerate(LONG)}
        items.sort(key=lambda item: order.get(item.path.relative_to(here).parts[0], len(order)))


#: Nobody switches the machine off amid the tests: what is lost with that need not be written to a disk.
MEMORY, ROOM = Path("/dev/shm"), 2 << 30


@pytest.fixture(scope="session")
def postgres() -> Iterator[PrivateServer]:
    """A server for all tests that don't break it."""
    roomy = MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ROOM
    server = private_server(MEMORY if roomy else None)
    try:
        yield server
    finally:
        server.remove()


@pytest.fixture
def database(postgres: PrivateServer) -> Iterator[Callable[[], str]]:
    """Make an empty database with each call; return its address."""
    made: list[str] = []

    def make() -> str:
        made.append(postgres.database())
        return postgres.address(made[-1])

    yield make
    for name in made:
        postgres.drop(name)


@pytest.fixture(scope="session")
def apart() -> Iterator[Apart]:
    """Where the browser is."""
    from apart import Apart

    place = Apart()
    try:
        yield place
    finally:
        place.remove()


@pytest.fixture(scope="session")
def browsers(apart: Apart) -> Browsers:
    """What starts the browser and ends it."""
    from judging import Browsers

    return Browsers(apart.inside)


@pytest.fixture
def browser(browsers: Browsers) -> Browser:
    """Debian's chromium, one for all tests of a folder that follow each other."""
    return browsers.open()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Function, nextitem: pytest.Function | None) -> Iterator[None]:
    """End the browser where the next test is of others."""
    browsers = item.funcargs.get("browsers")
    yield
    stays = nextitem is not None and nextitem.path.parent == item.path.parent and "browser" in nextitem.fixturenames
    if browsers is not None and not stays:
        browsers.close()
