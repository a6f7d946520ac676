"""Choose an engine by an address; nothing else in the house knows which one it is."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path

from serai.errors import InvalidError
from serai.store.contract import Spec
from serai.store.embedded.driver import EmbeddedDriver
from serai.store.kinds import Kinds
from serai.store.memory.driver import MemoryDriver
from serai.store.retry import Patience
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
    """Return the store at ``sqlite:PATH`` (or just a path), or a new one in ``memory:``.

    Nothing is opened before the first operation: where the file can't be had, that one raises `UnavailableError`,
    and a later one may succeed. With ``create`` False a file that is not there is such an error.
    """
    scheme, colon, rest = str(address).partition(":")
    if isinstance(address, Path) or not colon or "/" in scheme:
        scheme, rest = "sqlite", str(address)
    if scheme == "memory" and not rest:
        driver: EmbeddedDriver | MemoryDriver = MemoryDriver()
    elif scheme == "sqlite" and rest:
        driver = EmbeddedDriver(Path(rest), create=create)
    else:
        raise InvalidError(f"no engine serves a store at {address}", path="store")
    return Store(driver, Kinds(kinds), now=now, patience=patience, observe=observe)
