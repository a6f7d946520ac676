"""The engine within one process: the conformance suite."""

from __future__ import annotations

import pytest

from serai.bus import Bus
from serai.bus.conformance import BusConformance, MakeBus, take
from serai.bus.memory import MemoryHub
from serai.bus.open import open_bus
from serai.bus.policy import Rights
from serai.bus.policy_conformance import MakeGuest, PolicyConformance


class TestMemory(BusConformance, PolicyConformance):
    @pytest.fixture
    def hub(self) -> MemoryHub:
        return MemoryHub()

    @pytest.fixture
    def make_bus(self, hub: MemoryHub) -> MakeBus:
        return hub.client

    @pytest.fixture
    def make_guest(self, hub: MemoryHub) -> MakeGuest:
        async def make(rights: Rights) -> Bus:
            return hub.client(rights)

        return make


async def test_each_memory_address_is_a_bus_of_its_own() -> None:
    one, two = open_bus("memory:"), open_bus("memory:")
    subscription = await one.subscribe("a")
    await two.publish("a", "elsewhere")
    await one.publish("a", "here")
    assert await take(subscription, 1) == [("a", "here")]
