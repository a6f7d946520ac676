from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from serai.bus import Bus
from serai.bus.open import LocalBusServer, open_bus


@pytest.fixture
def path() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:  # short: a socket's path has 107 octets at most
        yield Path(folder) / "bus"


@pytest.fixture
async def server(path: Path) -> AsyncIterator[LocalBusServer]:
    server = LocalBusServer(path)
    await server.start()
    yield server
    await server.close()


@pytest.fixture
async def make_bus(server: LocalBusServer, path: Path) -> AsyncIterator[Callable[[], Bus]]:
    clients: list[Bus] = []

    def make() -> Bus:
        clients.append(open_bus(f"unix:{path}"))
        return clients[-1]

    yield make
    for client in clients:
        await client.close()


@pytest.fixture
def eventually() -> Callable[[Callable[[], object]], object]:
    async def wait(condition: Callable[[], object]) -> None:
        async with asyncio.timeout(20):
            while not condition():
                await asyncio.sleep(0.005)

    return wait
