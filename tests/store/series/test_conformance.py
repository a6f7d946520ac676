"""Each engine keeps the promises of history."""

from __future__ import annotations

from pathlib import Path

import pytest

from serai.store.embedded.series import EmbeddedSeries
from serai.store.memory.series import MemorySeries
from serai.store.series.conformance import SeriesConformance
from serai.store.series.driver import SeriesDriver


class TestMemory(SeriesConformance):
    def make(self, octets: int) -> SeriesDriver:
        return MemorySeries(octets)


class TestEmbedded(SeriesConformance):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.path = tmp_path / "odd name? #%20.db"

    def make(self, octets: int) -> SeriesDriver:
        return EmbeddedSeries(self.path, octets)
