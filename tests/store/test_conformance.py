"""Each engine keeps the promises of the store."""

from pathlib import Path

import pytest

from serai.store.conformance import StoreConformance
from serai.store.driver import Driver
from serai.store.embedded.driver import EmbeddedDriver
from serai.store.memory.driver import MemoryDriver


class TestMemory(StoreConformance):
    def make(self) -> Driver:
        return MemoryDriver()


class TestEmbedded(StoreConformance):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.path = tmp_path / "store" / "odd name? #%20.db"

    def make(self) -> Driver:
        return EmbeddedDriver(self.path)

    def again(self, driver: Driver) -> Driver:
        return EmbeddedDriver(self.path)
