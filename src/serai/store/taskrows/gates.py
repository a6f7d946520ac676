"""What holds tasks back although a bot is free: how many run at once, how many start in a time, a provider down.

Pure: a gate knows nothing of rows. Its engine keeps it, and closes the lanes that lead to it while it has no room.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from serai.store.tasks import Limit, Provider, Rule, Scope

#: Later than all times.
NEVER = 1e18
#: Tasks that are let through where nothing limits them.
UNLIMITED = 1 << 30
FIRST_PROBE = 2.0  # seconds until the first probe; twice as long each time
LONGEST_PROBE = 300.0
#: Tasks that run at once when a provider counts as up again.
FULL_WIDTH = 128
_TINY = 1e-6  # of a token: what floating point loses


class Gate(msgspec.Struct, kw_only=True):
    """One scope's limit and, of a provider, its condition.

    ``running`` counts the runs under way while the gate is in force. ``tokens`` were there at ``filled``; ``probe`` is
    the number of the task that tries a provider which is down. A channel's ``most`` is not held here: it is the number
    of its tasks that are let in (`serai.store.taskrows.moves`).
    """

    scope: Scope
    name: str
    most: int | None = None
    rate: float | None = None
    per: float = 60.0
    burst: float = 0.0
    who: str = ""
    at: float = 0.0
    why: str = ""
    running: int = 0
    tokens: float = 0.0
    filled: float = 0.0
    state: Literal["up", "down", "resuming"] = "up"
    since: float = 0.0
    by: str = ""
    reason: str = ""
    declared: bool = False
    pause: float = 0.0
    probe_at: float = 0.0
    probe: int = 0
    width: int = 0
    prober: str = ""

    @property
    def key(self) -> str:
        """Return what lanes that it closed are marked with."""
        return f"{self.scope}:{self.name}"

    @property
    def in_force(self) -> bool:
        """Tell whether it may hold anything back at a claim."""
        return self.rate is not None or self.state != "up" or (self.most is not None and self.scope != "channel")

    @property
    def empty(self) -> bool:
        """Tell whether nothing would be lost with it."""
        return not self.in_force and self.most is None and not self.since and not self.prober

    @property
    def window(self) -> int:
        """Return how many of a channel's tasks are let in at once."""
        return 1 if self.most is None else self.most

    def room(self, now: float) -> int:
        """Return how many more may start now."""
        if self.state == "down":
            self.probe_at = min(self.probe_at, now + self.pause)  # the clock may have gone back
        room = UNLIMITED
        if self.most is not None and self.scope != "channel":
            room = self.most - self.running
        if self.rate is not None:
            self._fill(now)
            room = min(room, int(self.tokens + _TINY))
        if self.state == "resuming":
            room = min(room, self.width - self.running)
        if self.state == "down":
            room = min(room, 1 if self._may_probe(now) and not self.prober else 0)
        return max(0, room)

    def opens(self, now: float) -> float:
        """Return when it is worth to look again: 0 for now, `NEVER` for after some task's end."""
        room = self.room(now)
        if self.state == "down":
            if self.declared or self.probe or self.prober:
                return NEVER
            return 0.0 if self._may_probe(now) else self.probe_at
        if room:
            return 0.0
        if self.most is not None and self.scope != "channel" and self.running >= self.most:
            return NEVER
        if self.state == "resuming" and self.running >= self.width:
            return NEVER
        return now + max(0.001, (1.0 - self.tokens) * self.per / (self.rate or 1.0))

    def start(self, numbers: list[int]) -> None:
        """Count tasks that start; one that starts while the provider is down is its probe."""
        self.running += len(numbers)
        if self.rate is not None:
            self.tokens -= len(numbers)
        if self.state == "down" and numbers:
            self.probe = numbers[0]

    def end(self, number: int, *, well: bool, counted: bool, who: str, now: float) -> None:
        """Count a run's end and learn from it."""
        self.running = max(0, self.running - counted)
        if number and number == self.probe:
            self.probe = 0
            if well and self.state == "down" and not self.declared:
                self.resume(who, "its probe succeeded", now)
            else:
                self._wait_longer(now)
        elif well and self.state == "resuming":
            self.width += 1
            if self.width > FULL_WIDTH:
                self._turn("up", who, f"{FULL_WIDTH} of its tasks ran at once", now)

    def fail(self, who: str, why: str, now: float, *, declared: bool = False) -> None:
        """Note that a provider is down."""
        again = self.state == "resuming"
        self._turn("down", who, why, now)
        self.declared, self.probe = declared, 0
        if again:
            self._wait_longer(now)
        else:
            self.pause, self.probe_at = FIRST_PROBE, now + FIRST_PROBE

    def resume(self, who: str, why: str, now: float) -> None:
        """Let a provider's tasks through again, few at first."""
        self._turn("resuming", who, why, now)
        self.declared, self.probe, self.width = False, 0, 1

    def set(self, rule: Rule, who: str, why: str, now: float) -> None:
        """Take another rule."""
        self.most, self.rate, self.per = rule.most, rule.rate, rule.per
        self.burst = 0.0 if rule.rate is None else max(1.0, rule.burst or rule.rate / rule.per)
        self.tokens, self.filled = self.burst, now
        self.who, self.why, self.at = who, why, now

    @property
    def calls(self) -> float | None:
        """Return when its prober is to be called; None for not."""
        waits = self.state == "down" and self.prober and not self.declared and not self.probe
        return self.probe_at if waits else None

    def limit(self, running: int) -> Limit:
        """Return it as people see a limit."""
        rule = Rule(most=self.most, rate=self.rate, per=self.per, burst=self.burst)
        return Limit(self.scope, self.name, rule, running, self.who, self.at, self.why)

    def provider(self) -> Provider:
        """Return it as people see a provider."""
        down = self.state == "down"
        return Provider(
            name=self.name,
            state=self.state,
            since=self.since,
            who=self.by,
            why=self.reason,
            declared=self.declared,
            next_probe=self.probe_at if down and not self.declared and not self.probe else 0.0,
            at_once=self.width if self.state == "resuming" else 0,
            probe=self.prober,
        )

    def _turn(self, state: Literal["up", "down", "resuming"], who: str, why: str, now: float) -> None:
        self.state, self.since, self.by, self.reason = state, now, who, why

    def _may_probe(self, now: float) -> bool:
        return not self.declared and not self.probe and now >= self.probe_at

    def _wait_longer(self, now: float) -> None:
        self.pause = min(LONGEST_PROBE, max(FIRST_PROBE, self.pause * 2))
        self.probe_at = now + self.pause

    def _fill(self, now: float) -> None:
        if now > self.filled and self.rate is not None:
            self.tokens = min(self.burst, self.tokens + (now - self.filled) * self.rate / self.per)
        self.filled = now
