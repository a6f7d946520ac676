"""Where programs run and what leads to them. Services meet in these: apps writes them, edge reads them."""

from __future__ import annotations

import re
from typing import ClassVar, Literal

import msgspec

from serai.store.contract import Spec


class Host(Spec, frozen=True, kw_only=True):
    """A machine in a cell (tenant ""), and what probes found it able to do: ability to "ok" or a reason why not."""

    KIND: ClassVar[str] = "host"
    PUBLIC: ClassVar[bool] = True

    cores: int
    memory_mb: int
    abilities: dict[str, str] = msgspec.field(default_factory=dict)


class Instance(Spec, frozen=True, kw_only=True):
    """A running copy of a release on a host; named ``APP.RELEASE.PROCESS.INDEX`` within its tenant.

    ``wanted`` is written by those who place; ``state``, ``reason``, ``restarts`` by the host's agent. ``connector``
    is the path of the Unix socket that hands out sockets made in the instance's network namespace (see
    `serai.cloud.connector`); the program itself listens on 127.0.0.1:``port`` there.
    """

    KIND: ClassVar[str] = "instance"
    PUBLIC: ClassVar[bool] = True
    HISTORY_DAYS: ClassVar[float | None] = 30.0
    NAME: ClassVar[re.Pattern[str]] = re.compile(
        r"[a-z][a-z0-9-]{0,40}\.[0-9]{1,9}\.[a-z][a-z0-9-]{0,30}\.[0-9]{1,5}\Z"
    )

    app: str
    release: int
    process: str = "web"
    host: str
    driver: str = "process"
    wanted: Literal["running", "draining", "stopped"] = "running"
    state: Literal["waiting", "starting", "ready", "unhealthy", "draining", "stopped", "failed"] = "waiting"
    reason: str = ""
    restarts: int = 0
    connector: str = ""
    port: int = 8000


class Route(Spec, frozen=True, kw_only=True):
    """What leads a host name and a path to an app's release; named ``HOST/PATH/`` (``demo.localhost/hello/1/``).

    Routes belong to the platform (their record's tenant is ""), so that a host name has one owner; ``tenant`` says
    whose app it leads to. They are found by prefix ``HOST/``; the longest matching path wins. ``prefix`` is taken off
    before the program sees the path, and is told to it as X-Forwarded-Prefix. With ``target`` "instances" the edge
    uses the ready `Instance` records of (tenant, app, release, "web"); with "static" it serves files below
    ``folder``; with "redirect" it answers 308 to ``location``; "push" leads to the streams of the app's events.
    """

    KIND: ClassVar[str] = "route"
    PUBLIC: ClassVar[bool] = True
    NAME: ClassVar[re.Pattern[str]] = re.compile(
        r"[a-z0-9*](?:[a-z0-9.-]{0,251}[a-z0-9])?/(?:[A-Za-z0-9._~-]{1,64}/){0,4}\Z"
    )

    tenant: str
    app: str
    release: int
    target: Literal["instances", "static", "redirect", "push"] = "instances"
    folder: str = ""
    location: str = ""
    prefix: str = "/"
    #: Below this route, /N/ up to this number with no route of its own is a release that is gone: 404.
    released: int = 0
    max_body: int = 1 << 30  # octets
    timeout: float = 60.0  # seconds for the program to begin its answer
