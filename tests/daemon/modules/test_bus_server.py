"""The module around the bus's server: what it lets its clients do, and what it says of those who tried more."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import structlog.testing

from serai.bus.conformance import expect_error
from serai.bus.open import open_bus
from serai.bus.policy import Policy, Rights
from serai.daemon.modules.bus_server import BusServer, BusServerConfig
from serai.daemon.testing import FakeClock, context, serving
from serai.errors import DeniedError


async def test_what_is_denied_is_logged_once_a_minute(tmp_path: Path) -> None:
    clock, listen = FakeClock(), {"listen": ["unix:run/own.sock"]}
    async with context(tmp_path, clock=clock, listen_on=listen) as ctx:
        ctx.bus_policy = Policy({os.geteuid(): Rights(call=("apps.wake",))})
        module = BusServer(BusServerConfig(), ctx)
        async with serving(module):
            bus = open_bus(f"unix:{tmp_path}/run/own.sock")
            with structlog.testing.capture_logs() as lines:
                for _ in range(3):
                    await expect_error(DeniedError, bus.call("apps.logs"))
                await expect_error(DeniedError, bus.call("apps.stop"))
                clock.advance(61)
                await expect_error(DeniedError, bus.call("apps.logs"))
            told = [(line["event"], line["uid"], line["pid"], line["verb"], line["subject"]) for line in lines]
            who = (os.geteuid(), os.getpid())
            assert told == [("bus.denied", *who, "call", f"apps.{what}") for what in ("logs", "stop", "logs")]
            assert module.status()["denied"] == 5
            await bus.close()


def test_the_configuration_can_be_empty() -> None:
    assert msgspec.convert({}, BusServerConfig).listen == ("unix:run/bus.sock",)
