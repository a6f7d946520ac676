"""Choose an engine by an address; nothing else in the house knows which one it is."""

from __future__ import annotations

import pkgutil
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from serai.errors import InvalidError
from serai.store.contract import Spec
from serai.store.driver import Driver
from serai.store.kinds import Kinds
from serai.store.retry import Patience
from serai.store.series.driver import SeriesDriver
from serai.store.series.history import History
from serai.store.series.levels import Level
from serai.store.store import Observe, Store


def open_store(
    address: str | Path,
    *,
    kinds: Iterable[type[Spec]] = (),
    create: bool = True,
    now: Callable[[], float] = time.time,
    patience: Patience | None = None,
    observe: Observe | None = None,
) -> Store:
    """Return the store at ``sqlite:PATH`` (or just a path) or ``postgresql://HOST/DATABASE``, or a new ``memory:`` one.

    Nothing is opened before the first operation: where the store can't be had, that one raises `UnavailableError`,
    and a later one may succeed. With ``create`` False a store that is not there is such an error.
    """
    scheme, colon, rest = str(address).partition(":")
    if isinstance(address, Path) or not colon or "/" in scheme:
        scheme, rest = "sqlite", str(address)
    return Store(_engine(scheme, rest, create=create), Kinds(kinds), now=now, patience=patience, observe=observe)


def open_series(address: str | Path, levels: Sequence[Level], octets: int) -> History:
    """Return the history at a path, or a new ``memory:`` one, that takes up to ``octets``.

    Nothing is opened before the first operation. `InvalidError` for levels that can't be.
    """
    driver: SeriesDriver
    if address == "memory:":
        driver = pkgutil.resolve_name("serai.store.memory.series:MemorySeries")(octets)
    else:
        driver = pkgutil.resolve_name("serai.store.embedded.series:EmbeddedSeries")(Path(address), octets)
    return History(driver, levels, octets)


def describe(address: str) -> str:
    """Name a store's engine and place, to be shown to people; `InvalidError` for an address that no engine serves."""
    scheme, _, rest = address.partition(":")
    if scheme in {"postgresql", "postgres"}:
        return f"PostgreSQL {pkgutil.resolve_name('serai.store.cluster.address:parse')(address)}"
    if (scheme == "sqlite" and rest) or address == "memory:":
        return "embedded" if rest else "memory"
    raise InvalidError("a store is at postgresql://USER@HOST[:PORT]/DATABASE or at sqlite:PATH", path="store")


def _engine(scheme: str, rest: str, *, create: bool) -> Driver:
    """Return an engine; imported by name, so that a process loads the client of its own database only."""
    driver: Driver
    if scheme == "memory" and not rest:
        driver = pkgutil.resolve_name("serai.store.memory.driver:MemoryDriver")()
    elif scheme == "sqlite" and rest:
        driver = pkgutil.resolve_name("serai.store.embedded.driver:EmbeddedDriver")(Path(rest), create=create)
    elif scheme in {"postgresql", "postgres"}:
        driver = pkgutil.resolve_name("serai.store.cluster.driver:ClusterDriver")(f"{scheme}:{rest}", create=create)
    else:
        raise InvalidError(f"no engine serves a store at {scheme}:…", path="store")
    return driver
