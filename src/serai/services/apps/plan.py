"""Which Instance descriptors an app should have, and the operations that lead there: pure, from a `Picture`.

Instances are never changed into something else: new ones are made beside the old ones, and the old ones drain. So a
release, a setting or a scale changes without a moment in which nobody answers.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from msgspec.structs import replace

from serai.cloud.descriptors import Instance
from serai.services.apps.descriptors import App, Release
from serai.services.apps.picture import Picture
from serai.store import Operation, Put, Record

WEB = "web"
MAX_INDEX = 99_999


def count(app: App, release: Release, process: str) -> int:
    """Return how many instances of a process the app's live release has."""
    return app.scale.get(process, release.processes[process].count)


def alive(picture: Picture, release: int, process: str) -> list[Record[Instance]]:
    """Return the instances that are wanted running: the ready ones first, then the oldest."""
    found = [
        record
        for record in picture.instances
        if record.spec.wanted == "running" and (record.spec.release, record.spec.process) == (release, process)
    ]
    return sorted(found, key=lambda record: (record.spec.state != "ready", index_of(record.name)))


def index_of(name: str) -> int:
    """Return an instance's number, the last part of its name."""
    return int(name.rpartition(".")[2])


def add(picture: Picture, release: int, process: str, number: int) -> tuple[Put, ...]:
    """Make new instances under indexes that nobody has, those who still drain included."""
    prefix = f"{picture.app.name}.{release}.{process}."
    taken = {index_of(record.name) for record in picture.instances if record.name.startswith(prefix)}
    free = (index for index in range(MAX_INDEX + 1) if index not in taken)
    spec = Instance(
        app=picture.app.name,
        release=release,
        process=process,
        host=picture.app.spec.host or picture.site.host,
        port=picture.releases[release].spec.port,
    )
    return tuple(
        Put(picture.tenant, f"{prefix}{index}", spec, 0) for index, _ in zip(free, range(number), strict=False)
    )


def retire(records: Iterable[Record[Instance]], *, now: bool = False) -> tuple[Put, ...]:
    """Let instances drain, or (``now``) stop them; those that are already on that way are left alone."""
    wanted = "stopped" if now else "draining"
    return tuple(
        Put(record.tenant, record.name, replace(record.spec, wanted=wanted), record.version)
        for record in records
        if record.spec.wanted == "running" or (now and record.spec.wanted == "draining")
    )


def start(picture: Picture, release: int) -> tuple[Put, ...]:
    """Give a release its web instances, as many as it will need when it is live."""
    spec = picture.releases[release].spec
    if WEB not in spec.processes:
        return ()
    # One at least: what is scaled to nothing is started all the same, to see whether it works.
    missing = max(1, count(picture.app.spec, spec, WEB)) - len(alive(picture, release, WEB))
    return add(picture, release, WEB, max(0, missing))


def settle(picture: Picture, live: Collection[int]) -> tuple[Operation, ...]:
    """Give each live release exactly its instances, and let those of all other releases drain."""
    operations: list[Operation] = []
    for number in sorted(live):
        spec = picture.releases[number].spec
        for process in spec.processes:
            have = alive(picture, number, process)
            want = count(picture.app.spec, spec, process)
            operations += add(picture, number, process, max(0, want - len(have)))
            operations += retire(have[want:])
    operations += retire(others(picture, live))
    return tuple(operations)


def others(picture: Picture, live: Collection[int]) -> Iterator[Record[Instance]]:
    """Yield the instances of releases that are not live."""
    return (record for record in picture.instances if record.spec.release not in live)
