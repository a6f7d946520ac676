"""A release, an app's variables and an instance become a `Workload`: pure, so that a test can compare it as a whole."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import msgspec

from serai.cloud.drivers import Limits, Mount, Workload
from serai.services.apps import doorstep
from serai.services.apps.descriptors import Process, Release
from serai.services.apps.recipes import contract

MAX_ID = 100
CLIENT = f"{contract.LIB}/client"
#: A one-off command (a migration, a recurring job) gets what a web process has, but yields to those who serve.
ONCE_WEIGHT = 50


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where an app is on this host: its folders, the user it runs as, where the launchers are."""

    tenant: str
    app: str
    uid: int | None
    folder: Path  # data/apps/TENANT/APP
    launchers: Path
    url: str = ""  # where people reach it
    door: Path | None = None  # the folder with the socket at which it reaches the platform

    @property
    def data(self) -> Path:
        """The app's own data."""
        return self.folder / "data"

    @property
    def cache(self) -> Path:
        """What builds keep for later builds."""
        return self.folder / "cache"

    def release(self, number: int) -> Path:
        """Return the folder of a release's files."""
        return self.folder / "releases" / str(number)


def workload_id(kind: str, tenant: str, name: str) -> str:
    """Return a workload's ID: ``kind`` tells instances ("app") from builds and one-off commands."""
    full = f"{kind}.{tenant}.{name}"
    if len(full) <= MAX_ID:
        return full
    return f"{full[: MAX_ID - 33]}-{hashlib.sha256(full.encode()).hexdigest()[:32]}"


def key_of(workload: str) -> tuple[str, str]:
    """Return (tenant, name) of a workload's ID; of one that was too long the name is not the instance's."""
    _, tenant, name = workload.split(".", 2)
    return tenant, name


def instance(place: Place, variables: Mapping[str, str], release: Release, name: str, process: str) -> Workload:
    """Return what runs as the instance ``name`` of a release's process; ``variables`` are the tenant's own."""
    spec = release.processes[process]
    return Workload(
        id=workload_id("app", place.tenant, name),
        uid=place.uid,
        argv=spec.argv,
        env=environment(place, variables, release, spec.env),
        cwd=contract.APP,
        mounts=mounts(place, release),
        limits=limits(spec),
        network="egress",
        port=release.port if process == "web" else 0,
    )


def once(
    place: Place,
    variables: Mapping[str, str],
    release: Release,
    name: str,
    argv: tuple[str, ...],
    env: Mapping[str, str],
) -> Workload:
    """Return what runs a command once in the context of a release, with its data."""
    like = release.processes.get("web", Process(argv=argv))
    return Workload(
        id=workload_id("run", place.tenant, name),
        uid=place.uid,
        argv=argv,
        env=environment(place, variables, release, env),
        cwd=contract.APP,
        mounts=mounts(place, release),
        limits=msgspec.structs.replace(limits(like), weight=ONCE_WEIGHT),
        network="egress",
    )


def environment(place: Place, variables: Mapping[str, str], release: Release, own: Mapping[str, str]) -> dict[str, str]:
    """Return a process's whole environment: the run's, the recipe's, its own, the tenant's; last the platform's."""
    asked = {**contract.RUN_ENV, **release.env, **own, **variables}
    return {
        **asked,
        "PORT": str(release.port),
        "HOST": "127.0.0.1",
        "DATA_DIR": contract.DATA,
        "APP_NAME": place.app,
        "RELEASE": str(release.number),
        "BASE_URL": place.url,
        "SERAI_SOCKET": doorstep.SOCKET,
        # The platform's own client, for programs in Python: `import serai`.
        "PYTHONPATH": ":".join(path for path in (asked.get("PYTHONPATH"), CLIENT) if path),
    }


def mounts(place: Place, release: Release) -> tuple[Mount, ...]:
    """Return what a process of a release sees besides the host's programs."""
    return (
        Mount(Path(release.folder), contract.APP),
        Mount(place.data, contract.DATA, writable=True),
        Mount(place.launchers, contract.LIB),
        *((Mount(place.door, doorstep.PLACE),) if place.door else ()),
        *(Mount(Path(bind.source), bind.target) for bind in release.binds),
    )


def limits(process: Process) -> Limits:
    """Return what one instance of a process may use."""
    return Limits(memory_mb=process.memory_mb, cpu=process.cpu, processes=process.processes)
