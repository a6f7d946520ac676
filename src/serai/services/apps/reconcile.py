"""What an agent has to do next: pure, from what is desired, what it sees, and the time.

`decide` is asked again after everything that happens, so it answers with what can begin now, and never with more than
one action per instance besides telling. Keys are (tenant, instance name).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from serai.cloud.descriptors import Instance
from serai.services.apps.descriptors import Health

Key = tuple[str, str]

#: An edge may choose an instance for this long after it was told to drain (seconds).
SETTLE = 1.0
DRAIN = 60.0  # seconds until what still runs over an instance that drains is cut off
STABLE = 60.0  # seconds of running after which earlier crashes are forgotten
FIRST_WAIT, LONGEST_WAIT = 0.1, 60.0  # seconds between a crash and the next start
#: An instance that answers nothing for this many times its health check's patience is restarted.
PATIENCE = 3
#: What runs only on demand is given up after so many crashes in a row, until it is asked for again.
HOPELESS = 5


class Desired(msgspec.Struct, frozen=True, kw_only=True):
    """An instance as the store has it (``change`` wrote it), with what its release says about it.

    ``health`` is None for processes that answer no requests. ``on_demand``: its release is live nowhere, so it stops
    after ``idle`` seconds without a connection. ``full`` says why it may not run just now, "" where it may.
    """

    instance: Instance
    change: int = 0
    health: Health | None = None
    on_demand: bool = False
    idle: float = 600.0
    full: str = ""


class Told(msgspec.Struct, frozen=True):
    """What the store was last told about an instance, and by which change."""

    state: str
    reason: str
    restarts: int
    connector: str
    change: int = 0


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """An instance as the agent sees it; times are monotonic seconds.

    ``busy``: an action is under way. ``good``: what the health check found last, None before its first good answer.
    ``bad_since``: since when it finds nothing good. ``failures`` counts crashes in a row, ``restarts`` all of them.
    Until ``blocked`` nothing is tried, after an action that could not be done.
    """

    running: bool = False
    busy: bool = False
    started: float = 0.0
    good: bool | None = None
    bad_since: float = 0.0
    reason: str = ""
    failures: int = 0
    restarts: int = 0
    retry_at: float = 0.0
    blocked: float = 0.0
    connections: int | None = None
    idle_since: float | None = None
    drain_since: float | None = None
    connector: str = ""
    told: Told | None = None


class Start(msgspec.Struct, frozen=True):
    """Start it."""

    key: Key


class Stop(msgspec.Struct, frozen=True):
    """Stop it; ``failure`` says why it counts as a crash, "" where it was told to."""

    key: Key
    failure: str = ""


class Retire(msgspec.Struct, frozen=True):
    """Want it no longer: nobody asks for this release just now."""

    key: Key


class Drain(msgspec.Struct, frozen=True):
    """Note that it drains from now on."""

    key: Key


class Tell(msgspec.Struct, frozen=True):
    """Write into the store how it is."""

    key: Key
    told: Told


class Forget(msgspec.Struct, frozen=True):
    """Take its descriptor out of the store: it ended as it was told to."""

    key: Key


class Drop(msgspec.Struct, frozen=True):
    """Take away what is left of it on the host: no descriptor names it any more."""

    key: Key


Action = Start | Stop | Retire | Drain | Tell | Forget | Drop


def decide(desired: Mapping[Key, Desired], seen: Mapping[Key, Seen], now: float) -> list[Action]:
    """Return what to begin now, in order of the keys."""
    actions: list[Action] = []
    for key in sorted(desired.keys() | seen.keys()):
        have = seen.get(key, Seen())
        want = desired.get(key)
        if want is None:
            if not have.busy and now >= have.blocked:
                actions.append(Stop(key) if have.running else Drop(key))
            continue
        actions.extend(_tell(key, want, have))
        if not have.busy and now >= have.blocked:
            steps = _keep(key, want, have, now) if want.instance.wanted == "running" else _end(key, want, have, now)
            actions.extend(steps)
    return actions


def wake_at(desired: Mapping[Key, Desired], seen: Mapping[Key, Seen], now: float) -> float:
    """Return when `decide` may answer something new though nothing happens; at most a second from now."""
    soonest = now + 1.0
    for key, want in desired.items():
        have = seen.get(key, Seen())
        if not have.running and not have.busy and want.instance.wanted == "running":
            soonest = min(soonest, have.retry_at)
        if have.drain_since is not None:
            soonest = min(soonest, now + 0.25)
    return max(soonest, now + 0.005)


def wait_after(failures: int) -> float:
    """Return the seconds to wait after so many crashes in a row."""
    return float(min(LONGEST_WAIT, FIRST_WAIT * 4.0 ** min(failures - 1, 10))) if failures else 0.0


def _keep(key: Key, want: Desired, have: Seen, now: float) -> Iterator[Action]:
    if want.full:
        if have.running:
            yield Stop(key)
    elif not have.running:
        if want.on_demand and have.failures >= HOPELESS:
            yield Retire(key)
        elif now >= have.retry_at:
            yield Start(key)
    elif failure := _hopeless(want, have, now):
        yield Stop(key, failure)
    elif want.on_demand and have.idle_since is not None and now - have.idle_since >= want.idle:
        yield Retire(key)


def _hopeless(want: Desired, have: Seen, now: float) -> str:
    health = want.health
    if health is None or have.good is True:
        return ""
    if have.good is None and now - have.started >= health.start:
        return f"No good answer within {health.start:g} s of its start: {have.reason or 'nothing listens'}"
    if have.good is False and now - have.bad_since >= PATIENCE * health.failures * (health.interval + health.timeout):
        return f"Unhealthy for {now - have.bad_since:.0f} s: {have.reason}"
    return ""


def _end(key: Key, want: Desired, have: Seen, now: float) -> Iterator[Action]:
    if not have.running:
        yield Forget(key)
    elif want.instance.wanted == "stopped":
        yield Stop(key)
    elif have.drain_since is None:
        yield Drain(key)
    elif now - have.drain_since >= DRAIN or (have.connections == 0 and now - have.drain_since >= SETTLE):
        yield Stop(key)


def _tell(key: Key, want: Desired, have: Seen) -> Iterator[Action]:
    state, reason = _state(want, have)
    told = Told(state, reason, have.restarts, have.connector if have.running else "")
    instance = want.instance
    if have.told is not None and have.told.change > want.change:
        # The replica is behind what was written last.
        known = have.told
    else:
        known = Told(instance.state, instance.reason, instance.restarts, instance.connector)
    if msgspec.structs.replace(known, change=0) != told:
        yield Tell(key, told)


def _state(want: Desired, have: Seen) -> tuple[str, str]:
    if not have.running:
        if want.instance.wanted != "running":
            return "stopped", have.reason
        if want.full:
            return "failed", want.full
        if have.failures:
            return "failed", have.reason
        return ("starting" if have.busy else "waiting"), ""
    if want.instance.wanted != "running":
        return "draining", ""
    if want.health is None or have.good is True:
        return "ready", ""
    if have.good is None:
        # What a program says while it starts is not yet worth a change each.
        return "starting", ""
    return "unhealthy", have.reason
