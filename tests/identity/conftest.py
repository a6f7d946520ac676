"""People to test with."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from serai.identity.passwords import Passwords
from serai.identity.testing import CHEAP, PASSPHRASE, Town
from serai.store.open import open_store


@pytest.fixture
async def town() -> AsyncIterator[Town]:
    store = open_store("memory:")
    town = Town(store)
    await town.directory.open()
    yield town
    await store.close()


@pytest.fixture(scope="session")
def hashed() -> str:
    """Return the hash of PASSPHRASE, computed once."""
    return asyncio.run(Passwords(CHEAP).hash(PASSPHRASE))
