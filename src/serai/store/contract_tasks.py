"""What a transaction may say of tasks; part of `serai.store.contract`, by which it is named."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from serai.store.tasks_holds import Rule, Scope


class Backoff(msgspec.Struct, frozen=True, kw_only=True):
    """How long to wait before a run is repeated: ``first`` seconds, times ``factor`` each time, at most ``longest``.

    ``jitter`` is the share of that which chance takes away, so that what failed together does not come back together.
    """

    first: float = 2.0
    factor: float = 2.0
    longest: float = 600.0
    jitter: float = 0.5

    def delay(self, failures: int, chance: float) -> float:
        """Return the seconds to wait after so many failures before the last one; ``chance`` is 0 to 1."""
        try:
            whole = min(self.longest, self.first * self.factor**failures)
        except OverflowError:
            whole = self.longest
        return whole * (1.0 - self.jitter * (1.0 - chance))


class NewTask(msgspec.Struct, frozen=True, kw_only=True):
    """A task to be inserted with the transaction that causes it.

    ``function`` is a registered name; ``arguments`` are data (MessagePack, at most 1 MiB); ``queue`` says who may
    run it: "any" bot, or the bot of one host ("host:NAME"). Times are seconds since the epoch, ``deadline`` is
    seconds of run time; one that did not start by ``expires`` is an error. Tasks with the same ``channel`` run one
    after the other in order of insertion, or as many at once as its limit says.

    ``key`` makes a second insert return the first task: for good ("ever"), or while that one is "live", or "waiting".
    It starts once all tasks of ``after`` (IDs of the same tenant, also of tasks earlier in the same transaction) are
    over; where one of them did not end well, ``on_error`` says whether this one fails, too, or runs anyway.
    """

    function: str
    arguments: dict[str, Any] = {}
    tenant: str = ""
    app: str = ""
    queue: str = "any"
    channel: str = ""
    priority: int = 0
    not_before: float = 0.0
    deadline: float = 600.0
    retries: int = 0
    provider: str = ""
    key: str = ""
    parent: str = ""
    id: str = ""  # a UUIDv7; the store fills it where empty
    unique: Literal["ever", "live", "waiting"] = "ever"
    after: tuple[str, ...] = ()
    on_error: Literal["fail", "run"] = "fail"
    expires: float = 0.0  # 0: never
    backoff: Backoff | None = None  # None: as the function says


Verb = Literal["pause", "resume", "limit", "down", "up"]


class Holding(msgspec.Struct, frozen=True, kw_only=True):
    """Hold tasks back, or let them go, at ``at`` (seconds since the epoch).

    ``name`` is a channel (pause, resume), a provider (down, up), or what a limit's ``scope`` says; ``rule`` is the
    limit, and an empty one ends it. See `serai.store.tasks.TaskRows` for each.
    """

    verb: Verb
    name: str
    at: float
    scope: Scope = "channel"
    rule: Rule = Rule()


class Allowance(msgspec.Struct, frozen=True):
    """How many tasks of a tenant's app may wait, or with "" of all its apps together."""

    tenant: str
    app: str
    most: int
