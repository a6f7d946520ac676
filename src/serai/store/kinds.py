"""The kinds that this code knows, by name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from serai.errors import InvalidError
from serai.store.contract import RawSpec, Spec


class Kinds:
    """Find the type of a kind by its name; a name that nobody declared is read raw."""

    def __init__(self, kinds: Iterable[type[Spec]] = ()) -> None:
        self._kinds: dict[str, type[Spec]] = {}
        for kind in kinds:
            self.add(kind)

    def add(self, kind: type[Spec]) -> None:
        """Declare a kind; `InvalidError` where another type has its name."""
        known = self._kinds.setdefault(kind.KIND, kind)
        if known is not kind or not kind.KIND:
            raise InvalidError(f"kind {kind.KIND!r} is declared twice or has no name", path="KIND")

    def get(self, name: str) -> type[Spec]:
        """Return the type of a kind, `RawSpec` for one that this code does not know."""
        return self._kinds.get(name, RawSpec)

    def __contains__(self, name: object) -> bool:
        return name in self._kinds

    def __iter__(self) -> Iterator[type[Spec]]:
        return iter(self._kinds.values())
