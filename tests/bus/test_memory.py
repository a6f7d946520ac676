"""The engine within one process: the conformance suite."""

from __future__ import annotations

import pytest

from serai.bus.conformance import BusConformance, MakeBus, take
from serai.bus.memory import MemoryHub
from serai.bus.open import open_bus


class TestMemory(BusConformance):
    @pytest.fixture
    def make_bus(self) -> MakeBus:
        return MemoryHub().client


async def test_each_memory_address_is_a_bus_of_its_own() -> None:
    one, two = open_bus("memory:"), open_bus("memory:")
    subscription = await one.subscribe("a")
    await two.publish("a", "elsewhere")
    await one.publish("a", "here")
    assert await take(subscription, 1) == [("a", "here")]
