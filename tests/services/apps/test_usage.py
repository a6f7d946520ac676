"""What each instance used, as it was measured last."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from prometheus_client import CollectorRegistry

from serai.cloud.drivers import Usage
from serai.services.apps.usage import Meter


class Driver:
    """Tell what a test says."""

    def __init__(self) -> None:
        self.cpu = 1.0

    async def usage(self, _handle: Any) -> Usage:
        return Usage(memory=5 << 20, cpu=self.cpu, processes=2)

    async def data_used(self, _folder: Path) -> int:
        return 7


def keeper(*, running: bool = True) -> Any:
    return SimpleNamespace(
        handle=SimpleNamespace(pid=1), seen=SimpleNamespace(restarts=0, good=True, running=running)
    )  # fmt: skip


async def test_an_instance_uses_what_it_did_since_it_was_measured_before(tmp_path: Path) -> None:
    driver: Any = Driver()
    meter = Meter(CollectorRegistry(), driver, tmp_path)
    keepers = {("demo", "shop.1.web.0"): keeper(), ("demo", "shopping.1.web.0"): keeper()}
    await meter.measure(keepers)
    assert [(one.name, one.cpu, one.memory) for one in meter.instances("demo", "shop")] == [
        ("shop.1.web.0", None, 5 << 20)
    ]
    driver.cpu = 3.0
    await meter.measure(keepers, 4.0)
    assert [(one.cpu, one.processes) for one in meter.instances("demo", "shop")] == [(0.5, 2)]
    assert meter.instances("other", "shop") == []
    keepers["demo", "shop.1.web.0"] = keeper(running=False)
    await meter.measure(keepers, 4.0)
    assert meter.instances("demo", "shop") == []
    await meter.measure({}, 4.0)
    assert meter.instances("demo", "shopping") == []
