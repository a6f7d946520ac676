"""A proxy for CONNECT: all that the sandbox of a fetch sees of the outside.

It listens inside the sandbox's network namespace, on a socket made there (see
`serai.cloud.connector`), and connects from outside. The namespace itself leads nowhere. For each connection, redirects
included, the name is resolved here, each address is checked, and just that one is connected to: what a name says the
next moment does not matter. What passes is TLS between git and its server; the proxy counts it, and never looks.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket

from serai.cloud import connector
from serai.cloud.drivers import Handle
from serai.errors import InvalidError, SeraiError, UnavailableError
from serai.services.apps.git.outside import Outside
from serai.services.apps.git.source import Place, check_port
from serai.services.apps.git.token import Token
from serai.services.apps.git.wire import END, MAX_HEAD, Ask, answer, parse

PORT = 3128  # inside; every sandbox has its own
HEAD_SECONDS = 10.0
CHUNK = 256 << 10
TUNNELS = 200  # of one fetch


class Proxy:
    """Serve one fetch.

    ``trouble`` says why it kept something back, "" where it did not; ``asked`` that a token was wanted, ``refused``
    that it was not accepted.
    """

    def __init__(self, outside: Outside, token: Token | None = None) -> None:
        self.trouble = ""
        self.asked = self.refused = False
        self.received = 0
        self._outside = outside
        self._token = token
        self._server: asyncio.Server | None = None
        self._clients: set[asyncio.Task[None]] = set()
        self._tunnels = 0

    async def open(self, handle: Handle) -> None:
        """Listen in a workload's network namespace. `UnavailableError` where it is gone."""
        [listener] = await connector.sockets(str(handle.connector))
        await self.listen(listener, PORT)

    async def listen(self, listener: socket.socket, port: int) -> None:
        """Listen at a port of loopback, wherever the socket was made."""
        try:
            listener.bind(("127.0.0.1", port))
            listener.listen(16)
            self._server = await asyncio.start_server(self._client, sock=listener, limit=MAX_HEAD)
        except OSError as error:
            listener.close()
            raise UnavailableError("The proxy can't be opened.", detail=str(error)) from error

    async def close(self) -> None:
        """End all connections, and accept no more."""
        if self._server is not None:
            self._server.close()
        for client in self._clients:
            client.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._clients.add(task)
            task.add_done_callback(self._clients.discard)
        try:
            await self._serve(reader, writer)
        except (OSError, EOFError, TimeoutError, asyncio.LimitOverrunError):
            pass  # it went away, or said nothing, or too much
        finally:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(HEAD_SECONDS):
            head = await reader.readuntil(END)
        try:
            ask = parse(head)
        except InvalidError:
            writer.write(answer(400))
            return
        if ask.what == "connect":
            await self._connect(ask.place, reader, writer)
        else:
            writer.write(self._credential(ask))
            await writer.drain()

    def _credential(self, ask: Ask) -> bytes:
        """Give the token to its own host alone, wherever redirects led."""
        if ask.what == "refused":
            self.refused = self.refused or (self._token is not None and self._token.place == ask.place)
            return answer(200, "\n")
        self.asked = True
        if self._token is None or self._token.place != ask.place:
            return answer(404)
        return answer(200, f"username={self._token.username}\npassword={self._token.password}\n")

    async def _connect(self, place: Place, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._clients) > self._outside.bounds.connections or self._tunnels >= TUNNELS:
            self._keep_back("It opens too many connections.")
            writer.write(answer(503))
            return
        self._tunnels += 1
        try:
            remote = await self._open(place)
        except SeraiError as error:
            self._keep_back(error.public)
            writer.write(answer(403 if isinstance(error, InvalidError) else 502))
            return
        far_reader, far_writer = await asyncio.open_connection(sock=remote, limit=CHUNK)
        try:
            writer.write(answer(200))
            await self._relay((reader, writer), (far_reader, far_writer))
        finally:
            far_writer.close()

    async def _open(self, place: Place) -> socket.socket:
        """Return a connection to a place, or raise `InvalidError` or `UnavailableError`."""
        check_port(place.port)
        addresses = await self._outside.addresses(place)
        for address in addresses:
            with contextlib.suppress(OSError, TimeoutError):
                return await self._reached(address, place)
        raise UnavailableError(f"{place} does not answer.")

    async def _reached(self, address: str, place: Place) -> socket.socket:
        remote = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
        try:
            remote.setblocking(False)
            async with asyncio.timeout(self._outside.bounds.connect):
                await asyncio.get_running_loop().sock_connect(remote, (address, place.port))
            self._check_foreign(remote, place)
        except BaseException:
            remote.close()
            raise
        return remote

    def _check_foreign(self, remote: socket.socket, place: Place) -> None:
        """Refuse this host's own public addresses, which alone are connected to from themselves.

        What listens there may take whoever comes from the host itself for a friend, and no firewall is in between.
        """
        address = remote.getpeername()[0]
        if remote.getsockname()[0] == address and not self._outside.reach.allows(address):
            raise InvalidError(f"{place} leads to this host: the platform does not fetch from there.")

    async def _relay(
        self,
        near: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        far: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        idle = self._outside.bounds.idle
        try:
            async with asyncio.timeout(idle) as silence, asyncio.TaskGroup() as both:
                both.create_task(self._pump(near[0], far[1], silence, counted=False))
                both.create_task(self._pump(far[0], near[1], silence, counted=True))
        except TimeoutError:
            self._keep_back(f"The server was silent for {idle:g} s.")

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, silence: asyncio.Timeout, *, counted: bool
    ) -> None:
        most = self._outside.bounds.transfer
        with contextlib.suppress(OSError):
            while data := await reader.read(CHUNK):
                silence.reschedule(asyncio.get_running_loop().time() + self._outside.bounds.idle)
                if counted:
                    self.received += len(data)
                    if self.received > most:
                        self._keep_back(f"The repository sends more than {most >> 20} MiB.")
                        break
                writer.write(data)
                await writer.drain()
            if self.received <= most:
                writer.write_eof()
                return
        writer.close()

    def _keep_back(self, why: str) -> None:
        self.trouble = self.trouble or why
