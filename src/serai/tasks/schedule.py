"""What recurs: a descriptor that says when and what, and which times of it are due."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import msgspec

from serai.store.contract import Backoff, NewTask, Record, Spec
from serai.tasks import cron
from serai.tasks.hold import Hold

#: A time that is at most this many seconds old was not missed, just found a little late.
PUNCTUAL = 60.0
#: Seconds to look back, one after the other, so that few due times are walked over however long ago the last one is.
_WINDOWS = (PUNCTUAL, 3600.0, 86400.0, 31 * 86400.0, 366 * 86400.0, 9 * 366 * 86400.0)


class Schedule(Spec, frozen=True, kw_only=True):
    """Insert a task of ``function`` at each time that ``when`` names (see `serai.tasks.cron`) in the time zone.

    ``missed`` says what happens with times that passed while nobody was there to see them: one task for all of
    them, or none. ``busy`` says the same of times at which its last task is not over: another task waits behind it,
    or none is made. A paused schedule inserts nothing, and its times count as passed.
    """

    KIND: ClassVar[str] = "schedule"
    NAME: ClassVar[re.Pattern[str]] = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,126}[a-z0-9])?\Z")
    #: What recurs because a release's app.toml says so comes and goes with the release.
    EXPORTED: ClassVar[re.Pattern[str] | None] = re.compile(r"(?![^.]+\.recurring\.)")

    when: Annotated[str, msgspec.Meta(max_length=256)]
    function: Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
    zone: Annotated[str, msgspec.Meta(max_length=64)] = "UTC"
    missed: Literal["once", "never"] = "once"
    busy: Literal["wait", "skip"] = "wait"
    paused: bool = False
    arguments: dict[str, Any] = msgspec.field(default_factory=dict)
    app: str = ""
    queue: str = "any"
    channel: str = ""
    priority: int = 0
    deadline: Annotated[float, msgspec.Meta(gt=0)] = 600.0
    retries: Annotated[int, msgspec.Meta(ge=0)] = 0
    provider: str = ""
    backoff: Backoff | None = None

    @classmethod
    def derived(cls, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the queue of an app's own work: it follows from where the app is."""
        return {"queue": "any"} if fields.get("app") else {}

    def app_of(self, name: str) -> str:  # noqa: ARG002 - its name is its own
        """Return the app whose work recurs."""
        return self.app

    def needs(self, verb: Literal["write", "delete"]) -> tuple[str, ...]:
        """Return what it takes: an app's own work may be scheduled by its people, any function by operators."""
        return ("task.schedule",) if self.app else super().needs(verb)

    def check(self) -> None:
        """Refuse a time that means nothing or never comes, and a time zone that nobody knows."""
        cron.check(self.when, self.zone)


#: What a manifest names, so that people may read and write schedules, and read who held tasks back.
KINDS = (Schedule, Hold)


class Due(msgspec.Struct, frozen=True):
    """What a look at a schedule found: the newest time that passed, and whether a task is to be made for it."""

    time: float
    run: bool


def due(spec: Schedule, last: float, now: float) -> Due | None:
    """Return what is due past ``last``, the time that was dealt with before; None where nothing is.

    `InvalidError` where ``when`` or ``zone`` mean nothing.
    """
    when = cron.parse(spec.when, spec.zone)
    newest: float | None = None
    for window in _WINDOWS:
        start = max(last, now - window)
        time = when.next(start)
        while time is not None and time <= now:
            newest, time = time, when.next(time)
        if newest is not None or start == last:
            break
    if newest is None:
        return None
    late = now - newest > PUNCTUAL
    return Due(newest, run=not spec.paused and not (late and spec.missed == "never"))


def overtook(spec: Schedule, last: float, now: float) -> bool:
    """Tell whether ``last`` comes from a clock that was ahead, and has been set right since.

    A schedule is not to be silent until that time comes again. Clocks of hosts differ a little, which is no reason to
    go back to times that were dealt with.
    """
    if last - now <= PUNCTUAL:
        return False
    following = cron.parse(spec.when, spec.zone).next(now)
    return following is not None and following < last


def next_due(spec: Schedule, now: float) -> float | None:
    """Return when it is due next, for those who ask."""
    return None if spec.paused else cron.parse(spec.when, spec.zone).next(now)


def new_task(record: Record[Schedule], time: float) -> NewTask:
    """Return the task for one due time; its key makes it one, however many clocks insert it.

    Where times are skipped while a task is live, all of them have one key, which a live task holds. Where they wait,
    and it says no channel, they have one of their own.
    """
    spec = record.spec
    alone = spec.busy == "skip"
    own = f"{record.tenant}/{spec.app}/{record.name}" if spec.app else f"schedule:{record.tenant}/{record.name}"
    return NewTask(
        function=spec.function,
        arguments=spec.arguments,
        tenant=record.tenant,
        app=spec.app,
        queue=spec.queue,
        channel=spec.channel or ("" if alone else own),
        priority=spec.priority,
        deadline=spec.deadline,
        retries=spec.retries,
        provider=spec.provider,
        backoff=spec.backoff,
        key=f"schedule:{record.name}" if alone else f"schedule:{record.name}@{time:.0f}",
        unique="live" if alone else "ever",
    )
