"""The store as all services use it: validation, typed specs, retries; an engine does the rest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from serai.store.contract import Change, Operation, Record, Revision, Spec, Transaction

S = TypeVar("S", bound=Spec)


class Store:
    """Read and change descriptors. Made by `serai.store.open.open_store`."""

    async def get(self, kind: type[S], tenant: str, name: str) -> Record[S]:
        """Return one descriptor, or raise `NotFoundError`."""
        raise NotImplementedError

    async def find(
        self,
        kind: type[S],
        tenant: str | None = None,
        *,
        prefix: str = "",
        after: str = "",
        limit: int = 1000,
    ) -> list[Record[S]]:
        """List descriptors by (tenant, name), those of one tenant or of all; ``after`` is "tenant/name"."""
        raise NotImplementedError

    async def commit(self, transaction: Transaction) -> list[int]:
        """Apply all operations or none; return the change number of each Put and Delete, in order.

        `ConflictError` where an expected version does not hold, `InvalidError`, `ExhaustedError` on a full disk,
        `UnavailableError` where the store is locked or gone. It has been made durable when this returns.
        """
        raise NotImplementedError

    async def put(self, who: str, why: str, tenant: str, name: str, spec: Spec, *, expect: int | None = None) -> int:
        """Commit a single Put."""
        raise NotImplementedError

    async def change(self, who: str, why: str, operations: Sequence[Operation]) -> list[int]:
        """Commit several operations."""
        raise NotImplementedError

    async def changes(self, after: int, limit: int = 1000) -> list[Change]:
        """Return the feed's entries after a number, oldest first, without gaps."""
        raise NotImplementedError

    async def last_change(self) -> int:
        """Return the newest change's number, 0 where there is none."""
        raise NotImplementedError

    async def history(self, kind: type[Spec] | str, tenant: str, name: str, *, limit: int = 100) -> list[Revision]:
        """Return a descriptor's revisions, newest first; they outlive its deletion."""
        raise NotImplementedError

    async def diff(self, kind: type[Spec] | str, tenant: str, name: str, old: int, new: int) -> dict[str, Any]:
        """Return field to (old value, new value) between two versions."""
        raise NotImplementedError

    async def restore(self, who: str, kind: type[Spec], tenant: str, name: str, version: int) -> int:
        """Write an old version's spec as the newest; return the change number."""
        raise NotImplementedError

    async def close(self) -> None:
        """Let go of the engine."""
        raise NotImplementedError
