"""What an engine for history does: keep rows by level, start and target, in no more space than it was given.

An engine is used by one thread at a time; its methods block. It maps native errors to codes: `ExhaustedError` where the
space it was given or the disk is full, `UnavailableError` where its files can't be had. What was put in the last
seconds may be gone after a crash of the machine, but what it returns was put.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

import msgspec


class Row(msgspec.Struct, frozen=True):
    """Points of one target, at one level, from ``start`` (seconds since the epoch)."""

    level: int
    start: int
    target: str
    data: bytes


class SeriesDriver(Protocol):
    """An engine."""

    def put(self, rows: Iterable[Row], marks: dict[int, int]) -> None:
        """Keep rows instead of those of the same level, start and target, and marks by level: all of it or nothing."""
        ...

    def marks(self) -> dict[int, int]:
        """Return the marks by level."""
        ...

    def get(self, level: int, target: str, starts: Sequence[int]) -> list[tuple[int, bytes]]:
        """Return (start, data) of those rows of a target that there are, in order."""
        ...

    def targets(self, level: int, since: int, until: int) -> list[str]:
        """Return all targets with rows that start in [since, until), each once, in order."""
        ...

    def drop(self, level: int, before: int, limit: int) -> int:
        """Remove up to ``limit`` rows of a level that start earlier, the oldest first; return how many."""
        ...

    def oldest(self, level: int, since: int | None = None) -> int | None:
        """Return the start of a level's oldest row, or of its oldest one from a time on; None without such rows."""
        ...

    def used(self) -> int:
        """Return the octets that rows take."""
        ...

    def close(self) -> None:
        """Let go of everything; safe to call twice."""
        ...
