"""What each app uses, as metrics and as numbers over time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec
from prometheus_client.core import CollectorRegistry, Counter, Gauge

from serai.daemon import figures
from serai.errors import SeraiError
from serai.services.apps.hosting import SharedDriver
from serai.services.apps.keeper import Keeper
from serai.services.apps.reconcile import Key

App = tuple[str, str]  # tenant, app
SUBJECT = "apps.usage"
_LABELS = ("tenant", "app")


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """Of which app's instances the agent is asked."""

    tenant: str
    app: str


class InstanceUsage(msgspec.Struct, frozen=True, kw_only=True):
    """What an instance used when it was last measured: cores (null the first time), octets of memory, processes."""

    name: str
    cpu: float | None
    memory: int
    processes: int


class Meter:
    """Measure instances and data folders; labels are tenant and app, so their number is bounded by what exists."""

    def __init__(self, registry: CollectorRegistry, driver: SharedDriver, apps: Path) -> None:
        self._driver = driver
        self._apps = apps
        self._memory = Gauge(
            "serai_app_memory_octets", "Memory that an app's instances use", _LABELS, registry=registry
        )
        self._cpu = Counter(
            "serai_app_cpu_seconds", "CPU time that an app's instances used", _LABELS, registry=registry
        )
        self._processes = Gauge("serai_app_processes", "Processes of an app's instances", _LABELS, registry=registry)
        self._ready = Gauge("serai_app_instances_ready", "Instances that serve", _LABELS, registry=registry)
        self._restarts = Gauge("serai_app_restarts", "Restarts of the present instances", _LABELS, registry=registry)
        self._data = Gauge("serai_app_data_octets", "Size of an app's data on disk", _LABELS, registry=registry)
        self._known: set[App] = set()
        self._spent: dict[Key, tuple[int, float]] = {}
        self._instances: dict[Key, InstanceUsage] = {}

    def instances(self, tenant: str, app: str) -> list[InstanceUsage]:
        """Return what the instances of an app used, of those that were measured."""
        found = (one for key, one in self._instances.items() if key[0] == tenant and key[1].startswith(f"{app}."))
        return sorted(found, key=lambda one: one.name)

    async def measure(self, keepers: Mapping[Key, Keeper], seconds: float = 0.0) -> dict[App, dict[int, int]]:
        """Measure all once, ``seconds`` after the last time; what can't be measured counts as nothing.

        Return gauges by app, as `serai.daemon.figures` has them.
        """
        apps: dict[App, list[tuple[Key, Keeper]]] = {}
        for key, keeper in keepers.items():
            apps.setdefault((key[0], key[1].partition(".")[0]), []).append((key, keeper))
        for app in self._known - apps.keys():
            for metric in (self._memory, self._processes, self._ready, self._restarts, self._data):
                metric.remove(*app)
        self._known = set(apps)
        self._spent = {key: spent for key, spent in self._spent.items() if key in keepers}
        self._instances = {key: used for key, used in self._instances.items() if key in keepers}
        return {app: await self._app(app, instances, seconds) for app, instances in apps.items()}

    async def _app(self, app: App, instances: Iterable[tuple[Key, Keeper]], seconds: float) -> dict[int, int]:
        memory = processes = ready = restarts = 0
        cpu = 0.0
        for key, keeper in instances:
            restarts += keeper.seen.restarts
            ready += keeper.seen.good is True
            if keeper.handle is None or not keeper.seen.running:
                self._instances.pop(key, None)
                continue
            try:
                usage = await self._driver.usage(keeper.handle)
            except SeraiError:
                continue
            memory += usage.memory or 0
            processes += usage.processes or 0
            again = key in self._spent
            spent = self._since(key, keeper.handle.pid, usage.cpu or 0.0)
            cpu += spent
            self._instances[key] = InstanceUsage(
                name=key[1],
                cpu=round(spent / seconds, 4) if again and seconds > 0 else None,
                memory=usage.memory or 0,
                processes=usage.processes or 0,
            )
        self._cpu.labels(*app).inc(cpu)
        self._memory.labels(*app).set(memory)
        self._processes.labels(*app).set(processes)
        self._ready.labels(*app).set(ready)
        self._restarts.labels(*app).set(restarts)
        gauges = {
            figures.MEMORY: memory,
            figures.PROCESSES: processes,
            figures.INSTANCES: ready,
            figures.RESTARTS: restarts,
        }
        if seconds > 0:
            gauges[figures.CPU] = int(cpu * 1000 / seconds)
        try:
            data = await self._driver.data_used(self._apps / app[0] / app[1] / "data")
        except SeraiError:
            return gauges
        self._data.labels(*app).set(data)
        return {**gauges, figures.DATA: int(data)}

    def _since(self, key: Key, pid: int, cpu: float) -> float:
        """Return the CPU time since the last look; another pid is another run, which began at 0."""
        before, spent = self._spent.get(key, (pid, 0.0))
        self._spent[key] = (pid, cpu)
        return max(0.0, cpu - spent) if before == pid else cpu
