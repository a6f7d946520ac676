"""Why a run is stopped from outside, and who hears how it ended."""

from __future__ import annotations

from typing import Literal, Protocol

from serai.store.tasks import Finish
from serai.tasks.context import TaskContext

#: "late": beyond its deadline; "lost": its lease is gone and nobody will listen.
Stop = Literal["cancel", "late", "drain", "lost"]


class Ended(Protocol):
    """Hear how a run ended."""

    def __call__(self, finish: Finish, ctx: TaskContext | None, *, stuck: bool) -> None:
        """Take it; without a context it never began. ``stuck``: its function still runs and can't be stopped."""
        ...
