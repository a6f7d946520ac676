"""Whoever builds takes the time of a processor that nobody else wants."""

from __future__ import annotations

import asyncio
import os

import msgspec
import pytest

from serai.cloud.drivers.conformance.bench import SMALL, Bench
from serai.services.apps import builder

SPIN = "import os; os.sched_setaffinity(0, {int(os.environ['CORE'])}); print('listening', flush=True)\nwhile True: pass"
LEAST = 3.0  # times as much, of the ten that the weights say: others use this machine, too


async def test_a_build_leaves_a_busy_processor_to_who_serves(bench: Bench) -> None:
    env = {"PATH": "/usr/bin:/bin", "CORE": str(min(os.sched_getaffinity(0)))}
    spin = ("python3", "-I", "-c", SPIN)
    building = msgspec.structs.replace(SMALL, weight=builder.WEIGHT)
    async with bench.running(*spin, env=env) as web, bench.running(*spin, env=env, limits=building) as build:
        for handle in (web, build):
            await bench.serving(handle)
        before = [await bench.driver.usage(handle) for handle in (web, build)]
        for _ in range(100):
            await asyncio.sleep(0.1)
            after = [await bench.driver.usage(handle) for handle in (web, build)]
            if None in (one.cpu for one in before + after):
                pytest.skip("what a workload uses can't be known here")
            served, built = ((new.cpu or 0) - (old.cpu or 0) for new, old in zip(after, before, strict=True))
            if served > 1:
                break
        assert served > LEAST * built
