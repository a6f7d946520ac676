"""What needs somebody's attention, as services tell it: each brings what looks for its facts (`Service.attention`)."""

from __future__ import annotations

from typing import Literal, Protocol

import msgspec

Weight = Literal["bad", "warn"]


class Fact(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is not as it should be, and what to do about it, as sentences; ``command`` is one that helps.

    ``about`` says what it is (a kind of descriptor, or "host", "task", "channel", …), ``name`` which one; ``action`` is
    what somebody must be allowed there who may know of it. ``bad``: something does not work; ``warn``: it soon will
    not. ``since`` in seconds since the epoch, 0 where nobody knows; ``count`` says how many times.
    """

    weight: Weight
    about: str
    action: str
    tenant: str = ""
    app: str = ""
    name: str = ""
    text: str
    advice: str
    command: str = ""
    since: float = 0.0
    count: int = 1


class Watcher(Protocol):
    """What a service brings: made once with a `Context`."""

    async def look(self, tenant: str | None) -> list[Fact]:
        """Return the facts of a tenant, of the platform itself (""), or of all (None). It takes a few reads at most."""
        ...
