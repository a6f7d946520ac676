"""The resolutions in which history is kept: each coarser one is made of the one before it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import msgspec

from serai.errors import InvalidError


class Level(msgspec.Struct, frozen=True):
    """One resolution, in seconds: ``step`` of a point, ``span`` of a row of points, and how long rows are ``keep``-t.

    Rows are aligned to their span since the epoch.
    """

    step: int
    span: int
    keep: int


#: Step and span of each level: a row has 10 points of a second, so that little is lost in a crash, and else 60 or 24.
_STEPS = ((1, 10), (10, 600), (60, 3600), (3600, 86400))


def ladder(*keep: int) -> tuple[Level, ...]:
    """Return the levels of 1 s, 10 s, 1 min and 1 h, kept for so many seconds each; `InvalidError` if that can't be."""
    if len(keep) != len(_STEPS):
        raise InvalidError(f"There are {len(_STEPS)} levels.", path="keep")
    levels = tuple(Level(step, span, seconds) for (step, span), seconds in zip(_STEPS, keep, strict=True))
    check(levels)
    return levels


def check(levels: Sequence[Level]) -> None:
    """Refuse levels of which one can't be made of the one before it: `InvalidError`."""
    for level in levels:
        if level.step < 1 or level.span % level.step or level.keep < level.span:
            raise InvalidError("A row holds whole points, and is kept for as long as it lasts.", path="keep")
    for fine, coarse in pairwise(levels):
        if coarse.step % fine.step or coarse.span % fine.span:
            raise InvalidError("A level's steps and rows are whole ones of the finer level.", path="keep")
        # Twice, for a row is made when it is over, and a host that was off for a while finds more of them to do.
        if fine.keep < 2 * coarse.span:
            raise InvalidError(
                f"Points of {fine.step} s are kept for at least {2 * coarse.span} s: coarser ones are made of them.",
                path="keep",
            )
