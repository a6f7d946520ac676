"""A client of the API's front socket: asks in a visitor's name, with what the visitor showed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

from serai.errors import InvalidError, UnavailableError
from serai.protocols.http import (
    ClientConnection,
    Data,
    EndOfMessage,
    LocalProtocolError,
    RemoteProtocolError,
    ResponseHead,
)

SECONDS = 10.0  # for one answer
AT_ONCE = 8  # questions under way
MAX_ANSWER = 64 << 10  # octets

_Link = tuple[asyncio.StreamReader, asyncio.StreamWriter, ClientConnection]


class Front:
    """Ask the API by GET, on connections that are kept."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._room = asyncio.Semaphore(AT_ONCE)
        self._idle: list[_Link] = []

    async def get(self, target: str, fields: Mapping[str, str]) -> tuple[int, bytes]:
        """Return the status and the body; `UnavailableError` where there is no answer in time.

        ``fields`` are header fields, ``host`` among them; `InvalidError` where they can't be sent as such.
        """
        async with self._room:
            try:
                async with asyncio.timeout(SECONDS):
                    return await self._get(target, fields)
            except (OSError, TimeoutError, EOFError, RemoteProtocolError) as error:
                raise UnavailableError("The API is away.", reason=repr(error)) from error

    def close(self) -> None:
        """Let go of the connections."""
        while self._idle:
            self._idle.pop()[1].close()

    async def _get(self, target: str, fields: Mapping[str, str]) -> tuple[int, bytes]:
        while self._idle:
            link = self._idle.pop()
            try:
                return await self._ask(link, target, fields)
            except (OSError, EOFError):
                continue  # it rested, and the API has closed it or was replaced: nothing was asked
        reader, writer = await asyncio.open_unix_connection(self._path)
        return await self._ask((reader, writer, ClientConnection()), target, fields)

    async def _ask(self, link: _Link, target: str, fields: Mapping[str, str]) -> tuple[int, bytes]:
        reader, writer, http = link
        lines = tuple(
            (name.encode(), value.encode("latin-1", "replace")) for name, value in fields.items() if name != "host"
        )
        kept = False
        try:
            writer.write(http.request(b"GET", target.encode(), fields.get("host", "-").encode("latin-1"), lines))
            answer = await _answer(reader, http)
            kept = not http.unread and len(self._idle) < AT_ONCE
            return answer
        except LocalProtocolError as error:
            raise InvalidError(f"The request can't be passed on: {error}", path="head") from error
        finally:
            if kept:
                self._idle.append(link)
            else:
                writer.close()


async def _answer(reader: asyncio.StreamReader, http: ClientConnection) -> tuple[int, bytes]:
    status, body = 0, b""
    while True:
        event = http.next_event()
        if isinstance(event, ResponseHead):
            status = event.status
        elif isinstance(event, Data):
            body += event.data
            if len(body) > MAX_ANSWER:
                raise RemoteProtocolError("The answer is too long.", 502)
        elif isinstance(event, EndOfMessage):
            return status, body
        else:
            data = await reader.read(65536)
            if not data:
                raise EOFError("the connection ended before the answer")
            http.receive_data(data)
