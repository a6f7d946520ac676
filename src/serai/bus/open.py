"""Choose the bus's engine by its address; the only place that sees the engines."""

from __future__ import annotations

from pathlib import Path

from serai.bus.contract import Bus
from serai.bus.local import LocalBus, LocalBusServer
from serai.bus.memory import MemoryBus
from serai.errors import InvalidError

__all__ = ["LocalBusServer", "open_bus"]

_UNIX = "unix:"
_MAX_PATH = 107  # octets of sun_path (unix(7)) without the NUL


def open_bus(url: str) -> Bus:
    """Return a bus for ``unix:PATH``, or a new one of this process alone for ``memory:``.

    It connects at first use, so a server that is away is no error here.
    """
    if url == "memory:":
        return MemoryBus()
    path = url.removeprefix(_UNIX)
    if not url.startswith(_UNIX) or not path:
        raise InvalidError("A bus's address looks like unix:PATH or memory:.", path="bus")
    if len(path.encode()) > _MAX_PATH or "\0" in path:
        raise InvalidError(f"A Unix socket's path has at most {_MAX_PATH} octets.", path="bus")
    return LocalBus(Path(path))
