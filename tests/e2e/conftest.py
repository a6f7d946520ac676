from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from installation import ROOT, Installation, installed


@pytest.fixture(scope="session")
def site() -> Iterator[Installation]:
    """One platform for all tests that don't break it, with the tenants demo and other."""
    with installed() as installation:
        installation.up()
        for tenant in ("demo", "other"):
            # More than the usual: all tests of the session put their programs here.
            quotas = ("--memory-mb", "65536", "--processes", "16384", "--disk-mb", "262144")
            installation.run("tenant", "create", tenant, *quotas)
        yield installation


@pytest.fixture
def own() -> Iterator[Installation]:
    """A platform of the test's own, to be broken; not yet started."""
    with installed() as installation:
        yield installation


def example(name: str) -> str:
    return str(ROOT / "examples" / name)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "e2e" in item.path.parts:
            item.add_marker(pytest.mark.e2e)
            item.add_marker(pytest.mark.timeout(300))
            if "site" in getattr(item, "fixturenames", ()):
                item.add_marker(pytest.mark.xdist_group("site"))  # one process has it
            if "plain" not in item.path.name and os.geteuid() != 0:
                item.add_marker(pytest.mark.skip(reason="needs root"))
