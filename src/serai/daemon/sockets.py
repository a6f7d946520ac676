"""The supervisor's table of listening sockets: opened once, kept over reloads, upgrades and workers' deaths."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from serai.daemon.address import Address
from serai.daemon.context import Open
from serai.daemon.listeners import listen
from serai.daemon.plan import GroupPlan


class SocketTable:
    """Sockets by key: the address's text, and for UDP the number of copies, since each worker has its own."""

    def __init__(self, group: int = -1) -> None:
        self._group = group
        self._open: dict[str, list[socket.socket]] = {}

    def open(self, plans: Iterable[GroupPlan]) -> list[str]:
        """Open what the plans need and is not open yet; return the keys opened, or open none and raise."""
        opened: list[str] = []
        try:
            for plan in plans:
                for address in plan.addresses():
                    name = key(address, plan.processes)
                    if name not in self._open:
                        self._open[name] = listen(address, copies=plan.processes, group=self._group)
                        opened.append(name)
        except BaseException:
            self.close(opened)
            raise
        return opened

    def put(self, name: str, sockets: list[socket.socket]) -> None:
        """Take in sockets that another process opened."""
        self._open[name] = sockets

    def close(self, names: Iterable[str]) -> None:
        """Close sockets by key and remove the files of Unix ones."""
        for name in list(names):
            for sock in self._open.pop(name, []):
                if sock.family == socket.AF_UNIX:
                    with suppress(OSError):
                        Path(sock.getsockname()).unlink()
                sock.close()

    def close_unused(self, plans: Iterable[GroupPlan]) -> None:
        """Close what none of the plans needs."""
        used = {key(address, plan.processes) for plan in plans for address in plan.addresses()}
        self.close([name for name in self._open if name not in used])

    def of(self, plan: GroupPlan, worker: int) -> dict[str, dict[str, Open]]:
        """Return what worker number ``worker`` of a group gets, by module reference and field."""
        return {
            module.ref: {
                field: tuple(
                    (address, sock) for address in addresses for sock in self._share(address, plan.processes, worker)
                )
                for field, addresses in module.addresses.items()
            }
            for module in plan.modules
        }

    def keys_of(self, plan: GroupPlan) -> list[str]:
        """Return the keys of a group's sockets."""
        return [key(address, plan.processes) for address in plan.addresses()]

    def table(self) -> Mapping[str, list[socket.socket]]:
        """Return all sockets by key."""
        return self._open

    def _share(self, address: Address, copies: int, worker: int) -> list[socket.socket]:
        sockets = self._open[key(address, copies)]
        return sockets[worker::copies] if address.transport == "udp" else sockets


def key(address: Address, copies: int) -> str:
    """Return the identity of an address's sockets."""
    return f"{address.text}#{copies}" if address.transport == "udp" else address.text
