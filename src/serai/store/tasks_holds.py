"""What holds tasks back, as people set and see it: pauses, limits, rates, providers. Plain values, times in seconds."""

from __future__ import annotations

from typing import Literal

import msgspec

Scope = Literal["tenant", "channel", "provider"]


class Pause(msgspec.Struct, frozen=True):
    """A channel that is paused."""

    channel: str
    who: str
    at: float
    why: str


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """What is allowed at most: ``most`` at once, ``rate`` started in each ``per`` seconds, ``burst`` of them together.

    None is no limit, but for a channel's ``most``: one. ``burst`` 0 is what the rate gives in a second.
    """

    most: int | None = None
    rate: float | None = None
    per: float = 60.0
    burst: float = 0.0


class Limit(msgspec.Struct, frozen=True):
    """A rule in force, who set it, when and why, and how many run under it now (for a channel: are let in)."""

    scope: Scope
    name: str
    rule: Rule
    running: int
    who: str
    at: float
    why: str


class Provider(msgspec.Struct, frozen=True, kw_only=True):
    """A remote party that was down at least once, or has a probe.

    ``down`` lets nothing through but a probe at ``next_probe`` (0: none, or one is under way); ``resuming`` lets
    ``at_once`` tasks run at once, more with each that succeeds. ``declared``: a person said so, and a person ends it.
    ``probe`` is the function that tries whether it is up; "": the first waiting task does.
    """

    name: str
    state: Literal["up", "down", "resuming"]
    since: float
    who: str
    why: str
    declared: bool = False
    next_probe: float = 0.0
    at_once: int = 0
    probe: str = ""
