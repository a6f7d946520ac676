"""The supervisor's own door: run/control.sock, one JSON line for a question and one for the answer.

Root and the supervisor's user may ask anything; the platform's control user (the API) may only look.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import structlog

from serai.bus.peer import peer_of
from serai.daemon.ask import MAX_LINE, answer, result_of
from serai.errors import DeadlineError, DeniedError, InternalError, InvalidError, SeraiError, UnavailableError

MAX_QUESTION = 64 << 10  # octets; answers are bounded by MAX_LINE
IDLE = 10.0  # seconds to send a question
LOOKING = frozenset({"status", "plan", "metrics", "ping"})

Handle = Callable[[str, dict[str, Any], int], Awaitable[Any]]


class ControlServer:
    """Answer questions by ``handle(verb, arguments, descriptor of the connection)``."""

    def __init__(self, sock: socket.socket, handle: Handle, readers: frozenset[int] = frozenset()) -> None:
        self.sock = sock
        self._handle = handle
        self._readers = readers
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Begin to answer."""
        self._server = await asyncio.start_unix_server(self._serve, sock=self.sock, limit=MAX_QUESTION)

    def close(self) -> None:
        """Stop answering."""
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.TimeoutError):
            async with asyncio.timeout(IDLE):
                line = await reader.readline()
            writer.write(await self._answer(line, writer.get_extra_info("socket")))
            await writer.drain()
        writer.close()

    async def _answer(self, line: bytes, sock: socket.socket) -> bytes:
        try:
            question = msgspec.json.decode(line, type=dict[str, Any])
            verb = str(question.pop("do", ""))
            _authorize(verb, peer_of(sock).uid, self._readers)
            return answer(await self._handle(verb, question, sock.fileno()))
        except (msgspec.DecodeError, UnicodeDecodeError):
            return answer(InvalidError("A question is one line of JSON."))
        except SeraiError as error:
            return answer(error)
        except Exception as error:  # noqa: BLE001 - a bug here must not end the process that holds the sockets
            structlog.get_logger().error("control.bug", error=error, exc_info=error)
            return answer(InternalError(f"The supervisor failed: {error!r}."))


async def request(path: Path, verb: str, *, deadline: float = 10.0, **arguments: Any) -> Any:
    """Ask as `ask` does, without blocking: for the API."""
    try:
        async with asyncio.timeout(deadline):
            reader, writer = await asyncio.open_unix_connection(str(path), limit=MAX_LINE)
            try:
                writer.write(msgspec.json.encode({"do": verb, **arguments}) + b"\n")
                line = await reader.readline()
            finally:
                writer.close()
    except TimeoutError:
        raise DeadlineError(f"The host did not answer within {deadline} seconds.") from None
    except OSError:
        raise UnavailableError("The host's supervisor does not answer.") from None
    return result_of(line, path)


def _authorize(verb: str, uid: int, readers: frozenset[int]) -> None:
    if uid in {0, os.geteuid()} or (uid in readers and verb in LOOKING):
        return
    raise DeniedError("Only root and the host's own user may control it.")
