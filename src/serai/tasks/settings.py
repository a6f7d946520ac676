"""How a bot works, as whoever starts it says."""

from __future__ import annotations

import msgspec


class BotSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How a bot works; all times in seconds.

    ``concurrency`` tasks run at once, and beside them one batch of up to ``batch`` short ones; it holds fewer where
    they turn out to take longer. The lease is kept by heartbeats; a clock that sees none for that long gives the
    tasks to others.
    """

    concurrency: int = 4
    batch: int = 1000
    lease: float = 10.0
    poll: float = 5.0
    stop: float = 10.0  # for a function to end after it was told to
    drain: float = 20.0  # for functions to end by themselves when the bot does
    stall: float = 60.0  # that a function may block the event loop
