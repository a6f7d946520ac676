"""The module ``apps.door``: serves the sockets that applications find in their sandboxes."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import Meta

from serai.daemon.module import Context, Needs
from serai.errors import SeraiError
from serai.services.apps import doorstep
from serai.services.apps.door.answers import Answer, problem
from serai.services.apps.door.http import CHUNK, Connection, Request
from serai.services.apps.door.rates import Bucket, BusyError
from serai.services.apps.door.routes import Routes
from serai.services.apps.door.visitor import Visitor
from serai.services.apps.running.room import room_of
from serai.services.apps.running.wire import bind_in

LOOK = 0.5  # seconds between two looks for new folders


class DoorConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much each application may ask at its door."""

    connections: Annotated[int, Meta(ge=1, le=4096, description="Connections of one application.")] = 64
    requests_per_second: Annotated[float, Meta(gt=0, le=1e6, description="Requests of one application.")] = 200.0
    tasks_per_second: Annotated[float, Meta(gt=0, le=1e6, description="New tasks of one application.")] = 1000.0


class Door:
    """Serve one socket for each application. Which application asks is known by the socket alone."""

    ID: ClassVar[str] = "apps.door"
    Config: ClassVar[type[msgspec.Struct]] = DoorConfig
    NEEDS: ClassVar[Needs] = Needs(privilege="control", copies="one")

    def __init__(self, config: DoorConfig, ctx: Context) -> None:
        self._config = config
        self._ctx = ctx
        self._parent = doorstep.all_of(ctx.home)
        self._doors: dict[Path, _Listener] = {}
        self._seen = -1.0
        self._trouble = ""

    async def provision(self) -> None:
        """Need nothing but the store; the sockets may still be another's."""
        self._routes = Routes(self._ctx)

    async def serve(self) -> None:
        """Listen wherever the agent has made a folder, until cancelled; then let requests under way end."""
        auditing = asyncio.create_task(self._routes.audit.run())
        try:
            while True:
                self._look()
                await self._ctx.clock.sleep(LOOK)
        finally:
            await self._drain()
            auditing.cancel()
            with suppress(SeraiError):
                await self._routes.audit.flush()

    async def close(self) -> None:
        """Stop listening."""
        for door in self._doors.values():
            door.close()
        self._doors.clear()

    def status(self) -> Mapping[str, Any]:
        """Tell how many sockets and clients there are, and whose quota of waiting tasks is used up."""
        clients = sum(len(door.connections) for door in self._doors.values())
        return {
            "ok": not self._trouble,
            "reason": self._trouble,
            "apps": len(self._doors),
            "connections": clients,
            "full": room_of(self._ctx.store).full,
        }

    def _look(self) -> None:
        """Open doors where there are new folders, close those whose folder is gone."""
        try:
            changed = self._parent.stat().st_mtime
            if changed == self._seen:
                return
            found = {self._parent / entry.name for entry in os.scandir(self._parent) if entry.is_dir()}
        except FileNotFoundError:
            found, changed = set(), -1.0
        for folder in self._doors.keys() - found:
            self._doors.pop(folder).close()
        self._trouble = ""
        for folder in sorted(found - self._doors.keys()):
            try:
                self._doors[folder] = _Listener(folder, self._config, self._routes, self._ctx)
            except OSError as error:
                # Its owner is still being set: look again.
                self._trouble, changed = f"{folder.name}: {error.strerror}", -1.0
        self._seen = changed

    async def _drain(self) -> None:
        self._routes.leaving.set()
        for door in self._doors.values():
            door.close()
        if left := [task for door in self._doors.values() for task in door.connections]:
            await asyncio.wait(left, timeout=self._ctx.drain / 2)
            for task in left:
                task.cancel()
            await asyncio.wait(left, timeout=1.0)


class _Listener:
    """One application's socket."""

    def __init__(self, folder: Path, config: DoorConfig, routes: Routes, ctx: Context) -> None:
        self.connections: dict[asyncio.Task[None], Connection | None] = {}
        self._config = config
        self._routes = routes
        self._log = ctx.log
        self._visitor = Visitor.of(*doorstep.owner(folder))
        self._requests = Bucket(config.requests_per_second, 2 * config.requests_per_second, ctx.clock.monotonic)
        self._tasks = Bucket(config.tasks_per_second, 2 * config.tasks_per_second, ctx.clock.monotonic)
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._sock.setblocking(False)
            # The folder's group is the tenant's, and nobody else gets that far.
            bind_in(self._sock, folder, doorstep.NAME, None, mode=0o666)
            self._sock.listen(128)
            self._stop = ctx.accept(self._sock, self._accepted)
        except OSError:
            self._sock.close()
            raise

    def close(self) -> None:
        """Stop listening, and let each client's request under way be its last."""
        self._stop()
        self._sock.close()
        for connection in self.connections.values():
            if connection is not None:
                connection.stop()

    def _accepted(self, sock: socket.socket, _address: Any) -> None:
        if len(self.connections) >= self._config.connections:
            sock.close()  # as a full backlog would: the client tries again
            return
        task = asyncio.get_running_loop().create_task(self._serve(sock))
        self.connections[task] = None
        task.add_done_callback(self._over)

    async def _serve(self, sock: socket.socket) -> None:
        reader, writer = await asyncio.open_connection(sock=sock, limit=CHUNK)
        writer.transport.set_write_buffer_limits(high=CHUNK)
        connection = Connection(reader, writer, self._handle)
        task = asyncio.current_task()
        if task is not None:
            self.connections[task] = connection
        await connection.serve()

    def _over(self, task: asyncio.Task[None]) -> None:
        self.connections.pop(task, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._log.error("door.mistake", exc_info=error, app=self._visitor.principal.name)

    async def _handle(self, request: Request) -> Answer:
        try:
            self._requests.demand("requests")
            return await self._routes.answer(request, self._visitor, self._tasks)
        except BusyError as error:
            return problem(error, after=error.after)
        except SeraiError as error:
            return problem(error)
