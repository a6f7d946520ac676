"""Module ``skeleton.whoami``: one line to who connects, then the end: who you are, and how your host greets you.

It reads the replica only, so it may face the network. Read it beside `serai.daemon.module`.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import msgspec
from prometheus_client.core import Counter

from serai.daemon.module import Context, Needs
from serai.errors import SeraiError
from serai.services.skeleton.descriptors import Greeting


class WhoamiConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The greeter."""

    listen: Annotated[tuple[str, ...], msgspec.Meta(description="Where to greet.", min_length=1)] = (
        "tcp://localhost:8079",
    )
    tenant: Annotated[str, msgspec.Meta(description="Whose greeting to use.", max_length=32)] = "demo"
    send_seconds: Annotated[
        float, msgspec.Meta(description="Time that a visitor may take to read its line.", gt=0, le=60)
    ] = 5.0


class Whoami:
    """Greet who connects."""

    ID: ClassVar[str] = "skeleton.whoami"
    Config: ClassVar[type[msgspec.Struct]] = WhoamiConfig
    NEEDS: ClassVar[Needs] = Needs(listen=("listen",), privilege="edge")

    def __init__(self, config: WhoamiConfig, ctx: Context) -> None:
        self._config = config
        self._ctx = ctx
        self._visits: set[asyncio.Task[None]] = set()
        self._greeted = Counter("skeleton_greeted", "Visitors greeted.", registry=ctx.registry)

    async def provision(self) -> None:
        """Need nothing that the context does not make at first use."""

    async def serve(self) -> None:
        """Greet until cancelled, then let those finish who were accepted."""
        stops = [self._ctx.accept(sock, self._accepted) for sock in self._ctx.sockets("listen")]
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            for stop in stops:
                stop()
            if self._visits:
                await asyncio.wait(self._visits, timeout=self._ctx.drain)

    async def close(self) -> None:
        """Let go of visitors that did not finish."""
        for visit in self._visits:
            visit.cancel()

    def status(self) -> Mapping[str, Any]:
        """Tell how many visitors there are now."""
        return {"ok": True, "visitors": len(self._visits)}

    def _accepted(self, sock: socket.socket, peer: Any) -> None:
        task = asyncio.get_running_loop().create_task(self._greet(sock, peer))
        self._visits.add(task)
        task.add_done_callback(self._visits.discard)

    async def _greet(self, sock: socket.socket, peer: Any) -> None:
        line = f"{self._greeting()} {peer[0]}\n".encode()
        with sock:
            try:
                async with asyncio.timeout(self._config.send_seconds):
                    await asyncio.get_running_loop().sock_sendall(sock, line)
            except OSError as error:  # a TimeoutError is one, too: the visitor went, or does not read
                self._ctx.log.info("visitor.lost", reason=str(error))
                return
        self._greeted.inc()

    def _greeting(self) -> str:
        try:
            record = self._ctx.replica.get(Greeting, self._config.tenant, "default")
        except SeraiError:  # no replica yet: greeting goes on without the store
            return "Hello,"
        return record.spec.text if record is not None else "Hello,"
