"""Which recurring commands are due: pure, from the live releases and two moments.

Each time has a name of its own, which makes the task's key: however often it is inserted, by whichever agent, it runs
once. What was missed while no agent looked is not made up for.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
from msgspec.structs import replace

from serai.errors import InvalidError
from serai.services.apps import cron
from serai.services.apps.descriptors import App, Recurring, Release
from serai.services.apps.rollout import task
from serai.store import NewTask

#: So much time without a look is a machine that slept or a clock that jumped: only the newest minutes count.
LONGEST_GAP = 120.0


class Live(msgspec.Struct, frozen=True):
    """An app with the release that "prod" shows."""

    tenant: str
    app: App
    release: Release


def due(apps: Iterable[Live], before: float, now: float) -> Iterator[NewTask]:
    """Yield a task for each command whose time came after ``before`` and not after ``now``; seconds since the epoch."""
    before = max(before, now - LONGEST_GAP)
    for live in apps:
        for name, command in live.release.recurring.items():
            for moment in _moments(command, before, now):
                yield _task(live, name, command, moment)


def _moments(command: Recurring, before: float, now: float) -> Iterator[str]:
    if command.every:
        if int(now // command.every) > int(before // command.every):
            yield str(int(now // command.every))
        return
    when, zone = parsed(command.cron), ZoneInfo(command.time_zone)
    minute = int(before // 60) + 1
    while minute * 60 <= now:
        wall = datetime.fromtimestamp(minute * 60, UTC).astimezone(zone)
        # An hour that a zone repeats has the same names twice, and so runs once.
        if when.matches(wall):
            yield wall.strftime("%Y-%m-%dT%H:%M")
        minute += 1


@functools.lru_cache(maxsize=1024)
def parsed(text: str) -> cron.Cron:
    """Return a cron expression, read once."""
    return cron.parse(text)


def check(command: Recurring) -> None:
    """Refuse what can't be kept: a malformed expression, an unknown time zone. `InvalidError`."""
    if command.cron:
        parsed(command.cron)
    try:
        # A day's offset is asked for: some files in the database's folder are no zones.
        datetime.now(ZoneInfo(command.time_zone)) + timedelta(days=1)
    except (ValueError, OSError, LookupError) as error:
        raise InvalidError(f"There is no time zone {command.time_zone}.", path="schedule.time_zone") from error


def _task(live: Live, name: str, command: Recurring, moment: str) -> NewTask:
    app = live.release.app
    made = task("apps.run", live.app, live.tenant, app, release=live.release.number, command=name)
    return replace(
        made,
        key=f"recurring:{app}:{name}:{moment}",
        # A run that takes longer than the time until the next delays it; the two never meet.
        channel=f"recurring:{live.tenant}/{app}/{name}",
        deadline=command.timeout + 60.0,
        retries=0,
    )
