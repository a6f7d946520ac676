"""What may be asked for: names, what they mean, and which columns they are made of. Data only.

``rate`` is the sum of columns by second, ``mean`` a sum by another, ``quantile`` that of the histogram of latency,
``gauge`` a gauge's part. Values are multiplied by ``scale``.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from serai.daemon import figures as f

Where = Literal["host", "tenant", "app"]
EVERYWHERE: tuple[Where, ...] = ("host", "tenant", "app")
HOST: tuple[Where, ...] = ("host",)
TENANTS: tuple[Where, ...] = ("tenant", "app")
ALL_REQUESTS = tuple(range(f.REQUESTS, f.REQUESTS + 6))


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One name."""

    name: str
    unit: str
    about: str
    where: tuple[Where, ...] = EVERYWHERE
    kind: Literal["rate", "mean", "quantile", "gauge"] = "rate"
    columns: tuple[int, ...] = ()
    by: tuple[int, ...] = ()
    scale: float = 1.0
    part: Literal["mean", "least", "most"] = "mean"
    quantile: float = 0.0


def _rate(name: str, unit: str, about: str, *columns: int, where: tuple[Where, ...] = EVERYWHERE) -> Figure:
    return Figure(name=name, unit=unit, about=about, columns=columns, where=where)


def _gauge(
    name: str, unit: str, about: str, column: int, where: tuple[Where, ...], scale: float = 1.0
) -> tuple[Figure, ...]:
    """Return a gauge's mean and, under names of their own, its least and its greatest."""
    mean = Figure(name=name, unit=unit, about=about, where=where, kind="gauge", columns=(column,), scale=scale)
    parts: tuple[tuple[Literal["least", "most"], str, str], ...] = (
        ("least", "min", "At its least."),
        ("most", "max", "At its most."),
    )
    more = (
        msgspec.structs.replace(mean, name=f"{name}.{end}", about=f"{about} {said}", part=part)
        for part, end, said in parts
    )
    return (mean, *more)


def _quantile(percent: int) -> Figure:
    about = f"The time in which {percent} of 100 requests were answered."
    return Figure(name=f"latency.p{percent}", unit="s", about=about, kind="quantile", quantile=percent / 100)


_ALL = (
    _rate("requests", "1/s", "Requests answered.", *ALL_REQUESTS),
    *(
        _rate(f"requests.{digit}xx", "1/s", f"Requests answered with a status of {digit}xx.", f.REQUESTS + digit)
        for digit in range(1, 6)
    ),
    _rate("requests.lost", "1/s", "Requests whose client left before an answer.", f.REQUESTS),
    _rate("errors", "1/s", "Requests answered with a status of 5xx.", f.REQUESTS + 5),
    _rate("received", "octets/s", "Octets of requests' bodies.", f.RECEIVED),
    _rate("sent", "octets/s", "Octets of answers.", f.SENT),
    Figure(
        name="latency.mean",
        unit="s",
        about="The mean time to answer a request.",
        kind="mean",
        columns=(f.LATENCY,),
        by=ALL_REQUESTS,
        scale=1e-6,
    ),
    *(_quantile(percent) for percent in (50, 90, 95, 99)),
    *_gauge("cpu", "cores", "Processor cores that instances used.", f.CPU, TENANTS, 1e-3),
    *_gauge("memory", "octets", "Memory that instances used.", f.MEMORY, TENANTS),
    *_gauge("data", "octets", "Data on disk.", f.DATA, TENANTS),
    *_gauge("processes", "", "Processes of instances.", f.PROCESSES, TENANTS),
    *_gauge("instances", "", "Instances that serve.", f.INSTANCES, TENANTS),
    *_gauge("restarts", "", "Restarts of the present instances.", f.RESTARTS, TENANTS),
    *_gauge("cpu", "cores", "Processor cores in use.", f.MACHINE_CPU, HOST, 1e-3),
    *_gauge("memory", "octets", "Memory that can't be given to programs.", f.MACHINE_MEMORY, HOST),
    *_gauge("cores", "cores", "Processor cores that there are.", f.CORES, HOST),
    *_gauge("load", "", "Processes that run or wait to, over a minute.", f.LOAD, HOST, 1e-3),
    *_gauge("memory.total", "octets", "Memory that there is.", f.MEMORY_TOTAL, HOST),
    *_gauge("swap", "octets", "Swap space in use.", f.SWAP, HOST),
    *_gauge("disk", "octets", "Used of the file system of the home.", f.DISK_USED, HOST),
    *_gauge("disk.total", "octets", "Size of the file system of the home.", f.DISK_TOTAL, HOST),
    _rate("disk.read", "octets/s", "Read from disks.", f.DISK_READ, where=HOST),
    _rate("disk.written", "octets/s", "Written to disks.", f.DISK_WRITTEN, where=HOST),
    _rate("net.in", "octets/s", "Received from networks.", f.NET_IN, where=HOST),
    _rate("net.out", "octets/s", "Sent to networks.", f.NET_OUT, where=HOST),
    *_gauge("apps.cpu", "cores", "Processor cores that all apps used.", f.CPU, HOST, 1e-3),
    *_gauge("apps.memory", "octets", "Memory that all apps used.", f.MEMORY, HOST),
    *_gauge("apps.data", "octets", "Data of all apps on disk.", f.DATA, HOST),
    *_gauge("apps.processes", "", "Processes of all apps.", f.PROCESSES, HOST),
    *_gauge("apps.instances", "", "Instances of all apps that serve.", f.INSTANCES, HOST),
    *_gauge("platform.memory", "octets", "Memory of the platform's own processes.", f.PLATFORM_MEMORY, HOST),
    *_gauge("platform.workers", "", "The platform's own workers.", f.PLATFORM_WORKERS, HOST),
    *_gauge("tasks.running", "", "Tasks under way on this host.", f.TASKS_RUNNING, HOST),
    *_gauge("tasks.done", "1/s", "Tasks finished on this host.", f.TASKS_DONE, HOST, 1e-3),
    *_gauge("tasks.failed", "1/s", "Tasks that failed on this host.", f.TASKS_FAILED, HOST, 1e-3),
    *_gauge("api.requests", "1/s", "Requests to the platform's own API.", f.API_REQUESTS, HOST, 1e-3),
    *_gauge("connections", "", "Connections that visitors have open.", f.CONNECTIONS, HOST),
    *_gauge("held", "", "Requests that wait for an instance.", f.HELD, HOST),
)

#: Figures by what they are of, and by name.
FIGURES: dict[Where, dict[str, Figure]] = {
    where: {figure.name: figure for figure in _ALL if where in figure.where} for where in EVERYWHERE
}
#: What is shown where nobody says what.
USUAL: dict[Where, tuple[str, ...]] = {
    "host": ("requests", "errors", "latency.p50", "latency.p99", "cpu", "memory", "disk"),
    "tenant": ("requests", "errors", "latency.p50", "latency.p99", "cpu", "memory", "data"),
    "app": ("requests", "errors", "latency.p50", "latency.p99", "cpu", "memory", "data"),
}
