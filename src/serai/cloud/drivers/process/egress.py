"""Give workloads a way out: apply the home's rules once, link one namespace after the other."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from pathlib import Path

from serai.cloud.drivers.process import netlink, network
from serai.cloud.drivers.process.facts import Facts
from serai.cloud.drivers.process.options import Options
from serai.cloud.drivers.process.runner import run
from serai.errors import ExhaustedError, InternalError, SeraiError

FORWARD = Path("/proc/sys/net/ipv4/ip_forward")


class Egress:
    """The network of one home on a host where the platform is root."""

    def __init__(self, name: str, facts: Facts, options: Options) -> None:
        self.plan = network.plan(name)
        self._facts, self._options = facts, options
        self._taken: set[int] = set()
        self._lock = asyncio.Lock()
        self._ready = False

    async def prepare(self) -> None:
        """Apply the rules and switch forwarding on, if that wasn't done yet; raise `InternalError` where refused."""
        async with self._lock:
            if self._ready:
                return
            resolvers = self._options.resolvers or self._facts.resolvers
            text = network.rules(self.plan, self._options.deny, self._options.allow, resolvers)
            await run((self._facts.nft, "-f", "-"), text=text)
            _forward()
            self._ready = True

    def take(self) -> int:
        """Return the number of a free link; raise `ExhaustedError` where none is left."""
        index = next((one for one in range(network.PAIRS) if one not in self._taken), None)
        if index is None:
            raise ExhaustedError("This host has no address left for a workload.")
        self._taken.add(index)
        return index

    def keep(self, index: int) -> None:
        """Remember that a recovered workload has that link."""
        self._taken.add(index)

    async def attach(self, index: int, pid: int) -> None:
        """Link the network namespace of ``pid`` to this host."""
        pair = self.plan.pair(index)
        try:
            await asyncio.to_thread(_attach, pair, pid)
        except OSError as error:
            raise InternalError("A workload can't be linked to the network.", error=str(error)) from error

    async def release(self, index: int) -> None:
        """Give a link back; its namespace has ended, and the link with it, or soon does."""
        with contextlib.suppress(OSError):
            await asyncio.to_thread(netlink.ask, netlink.unlink(self.plan.pair(index).interface))
        self._taken.discard(index)

    async def retire(self) -> None:
        """Remove the home's table."""
        async with self._lock:
            self._ready = False
            await run((self._facts.nft, "delete", "table", "inet", self.plan.table), check=False)

    async def probe(self) -> str:
        """Return "ok" where rules and a link can be made, else the reason."""
        if not self._facts.nft:
            return "nft not found"
        try:
            await self.prepare()
            index = self.take()
            interface = self.plan.pair(index).interface
            try:
                await asyncio.to_thread(netlink.ask, netlink.link(interface, interface + "p"))
            finally:
                await self.release(index)
        except (SeraiError, OSError) as error:
            detail = error.fields.get("output", "") if isinstance(error, SeraiError) else ""
            return f"{error} {detail}".strip()
        return "ok"


def _attach(pair: network.Pair, pid: int) -> None:
    netlink.ask(netlink.link(pair.interface, "eth0", pid))
    netlink.ask(netlink.address(socket.if_nametoindex(pair.interface), pair.gateway, 31))


def _forward() -> None:
    if FORWARD.read_text().strip() != "1":
        FORWARD.write_text("1")
