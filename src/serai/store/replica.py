"""A host's memory-mapped copy of the descriptors: read by every worker, in microseconds, without the store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

from serai.store.contract import Record, Spec

S = TypeVar("S", bound=Spec)


class Replica:
    """Look descriptors up. Reading is synchronous and never waits for a writer."""

    def __init__(self, folder: Path, *, writable: bool = False) -> None:
        raise NotImplementedError

    def change(self) -> int:
        """Return the number of the last change that was applied; compare it to know whether a cache is stale."""
        raise NotImplementedError

    def get(self, kind: type[S], tenant: str, name: str) -> Record[S] | None:
        """Return a descriptor or None."""
        raise NotImplementedError

    def find(self, kind: type[S], tenant: str | None = None, prefix: str = "") -> Iterator[Record[S]]:
        """Yield descriptors in order of (tenant, name); ``tenant`` None walks all tenants."""
        raise NotImplementedError

    def close(self) -> None:
        """Unmap."""
        raise NotImplementedError
