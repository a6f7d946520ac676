"""The Schedules that an app should have: pure, from a `Picture`.

What recurs for a tenant is what recurs for the house: the clock of the task manager inserts a task when a Schedule is
due, whichever hosts are up, and never one twice. The release that "prod" shows says which Schedules there are, so they
change with it, in one transaction. What was missed while no clock ran is not made up for, nor are times at which the
last run was not over: a command that takes longer than its interval runs again at the next time after its end.
"""

from __future__ import annotations

from collections.abc import Iterator

from serai.services.apps.descriptors import PROD, Recurring
from serai.services.apps.picture import Picture
from serai.store import Delete, Operation, Put
from serai.tasks.schedule import Schedule

#: Besides the time that a command may take: what the task around it needs.
LEEWAY = 60.0


def wanted(picture: Picture) -> dict[str, Schedule]:
    """Return the Schedules of an app by name."""
    live = picture.releases.get(picture.app.spec.live.get(PROD, 0))
    if live is None:
        return {}
    return {
        f"{picture.app.name}.recurring.{name}": _schedule(picture, live.spec.number, name, command)
        for name, command in live.spec.recurring.items()
    }


def changes(picture: Picture) -> Iterator[Operation]:
    """Yield what makes an app's Schedules what they should be."""
    target = wanted(picture)
    for name, spec in target.items():
        have = picture.schedules.get(name)
        if have is None or have.spec != spec:
            yield Put(picture.tenant, name, spec, have.version if have else 0)
    for name, have in picture.schedules.items():
        if name not in target:
            yield Delete(Schedule.KIND, picture.tenant, name, have.version)


def _schedule(picture: Picture, release: int, name: str, command: Recurring) -> Schedule:
    app = picture.app.name
    return Schedule(
        when=command.when,
        zone=command.zone,
        missed="never",
        busy="skip",
        function="apps.run",
        arguments={"tenant": picture.tenant, "app": app, "release": release, "command": name},
        app=app,
        queue=f"host:{picture.app.spec.host or picture.site.host}",
        # The next release's first run waits for what the one before it still runs: the two never meet.
        channel=f"recurring:{picture.tenant}/{app}/{name}",
        deadline=command.timeout + LEEWAY,
    )
