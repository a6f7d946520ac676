"""What is asked of the numbers, and what is answered: between the API's routes and the module, over the bus."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec

from serai.errors import InvalidError
from serai.services.series.names import FIGURES, USUAL, Figure, Where
from serai.services.series.recorder import HOST
from serai.store.contract import NAME
from serai.store.series import Level

READ, GLANCE, STATE = "series.read", "series.glance", "series.state"
MAX_POINTS = 2000
MAX_NAMES = 32
USUAL_POINTS = 300
MAX_GLANCE = 200
#: Steps in seconds that people read plots by; each is a whole number of some level's steps.
STEPS = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)

Order = Literal["name", "requests", "errors", "latency", "cpu", "memory", "data"]


class Ask(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Curves of one target: ``names`` () are the usual ones; times in seconds since the epoch, ``step`` 0 is chosen."""

    target: Annotated[str, msgspec.Meta(max_length=130)]
    names: tuple[str, ...] = ()
    since: float
    until: float
    step: int = 0


class Curves(msgspec.Struct, frozen=True, kw_only=True):
    """Columns: the first has the times (seconds since the epoch, where each step begins), then one for each name.

    A value stands for ``step`` seconds; null where nobody looked, or where there is nothing to tell.
    """

    target: str
    step: int
    names: list[str]
    units: list[str]
    columns: list[list[int | float | None]]


class AskGlance(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Apps at a glance: those of a tenant, or of all ("")."""

    tenant: str = ""
    apps: tuple[str, ...] = ()  # TENANT/APP each; () is all that did anything, or run
    order: Order = "name"
    after: str = ""
    limit: int = 50
    points: int = 30


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """One app at a glance: rates are of the last ten seconds; null is for what was not measured lately.

    ``curve`` and ``errors_curve`` are requests and errors a second over the last hour, oldest first.
    """

    tenant: str
    app: str
    requests: int | float
    errors: int | float
    latency: float | None  # seconds below which 99 of 100 requests stay
    cpu: float | None  # cores
    memory: int | None  # octets
    data: int | None  # octets
    instances: int | None
    curve: list[int | float]
    errors_curve: list[int | float]


class Glance(msgspec.Struct, frozen=True, kw_only=True):
    """One page of apps at a glance; ``next`` goes into ``after`` of the next one, and is empty on the last."""

    items: list[Look]
    next: str = ""


class LevelState(msgspec.Struct, frozen=True, kw_only=True):
    """Points of how many seconds are kept, for how many, and since when there are some."""

    step: int
    keep: int
    oldest: float | None


class State(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept: octets in use and at most, and by level."""

    octets: int
    max_octets: int
    levels: list[LevelState]


def where_of(target: str) -> Where:
    """Return what a target is."""
    if target == HOST:
        return "host"
    return "app" if "/" in target else "tenant"


def check_target(target: str) -> None:
    """Raise `InvalidError` for what is neither the host, nor can be the name of a tenant or TENANT/APP."""
    parts = target.split("/", 2)
    if target != HOST and not (len(parts) <= 2 and all(NAME.fullmatch(part) for part in parts)):
        raise InvalidError(f"{target[:64]!r} is no name of a tenant, nor of an app of one.", path="target")


def figures_of(ask: Ask) -> list[Figure]:
    """Return what is asked for; `InvalidError` for a name that there is not, or too many of them."""
    where = where_of(ask.target)
    names = ask.names or USUAL[where]
    if len(names) > MAX_NAMES:
        raise InvalidError(f"At most {MAX_NAMES} names at a time.", path="names")
    unknown = [name for name in names if name not in FIGURES[where]]
    if unknown:
        raise InvalidError(f"There is no {unknown[0][:64]} of a {where}; GET /v1/series lists them.", path="names")
    return [FIGURES[where][name] for name in names]


def choose(levels: Sequence[Level], ask: Ask, now: float) -> tuple[int, int]:
    """Return the step in seconds, and the level to read: the coarsest that has points of it and is kept long enough.

    The step is the one asked for, or gives about `USUAL_POINTS`; longer where that would be too many points, or where
    the time asked for begins before what is kept that finely. `InvalidError` for a time that is none.
    """
    length = ask.until - ask.since
    if not 0 < length <= levels[-1].keep * 2:
        raise InvalidError(
            "The time asked for has to end after it begins, and not be longer than is kept.", path="from"
        )
    finest = next((level.step for level in levels if now - ask.since <= level.keep), levels[-1].step)
    least = max(ask.step or length / USUAL_POINTS, length / (MAX_POINTS - 2), finest)
    step = next((step for step in STEPS if step >= least), STEPS[-1])
    fitting = [number for number, level in enumerate(levels) if step % level.step == 0]
    return step, fitting[-1]
