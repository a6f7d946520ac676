"""Talk to a program inside a running workload, by the ``door`` in its visit's folder.

The socket keeps messages apart (SOCK_SEQPACKET); numbers are 8 octets, big-endian. Who connects is greeted with "h" and
what whoever started the visit wanted told, and asks for one thing:

- "o" FROM: what the program wrote from that octet on; all before it has arrived and is forgotten. After "k" and how
  much input was taken come "d" (output) or "e" (error), their place and octets, and in the end "x", a place and how it
  ended, as JSON. A reading ends after 256 KiB, and the next one confirms them; one reader replaces another.
- "i" AT or "I" AT, and octets that the program is to read; at "I" they are the last. What was taken before is passed
  over, and only as much is taken as there is room for. The answer is "k" and how much was taken in all.
- "w" and rows and columns, 2 octets each; "q" ends it. The answer is "k".

What makes no sense is answered by "!", the first place there is to read and what was taken, and the end.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec

from serai.cloud.connector import connect
from serai.errors import ConflictError, NotFoundError, UnavailableError

LONGEST = 64 << 10  # octets of input in one message
MESSAGE = 128 << 10
ANSWER = 5.0  # seconds


class Said(msgspec.Struct, frozen=True):
    """What a program wrote: its place in all of it, the octets, and whether it wrote them as errors."""

    at: int
    data: bytes
    error: bool


class Ended(msgspec.Struct, frozen=True):
    """How it ended: its exit status, or minus a signal's number; `serai.cloud.drivers.Enterable` lists the reasons."""

    code: int
    reason: str
    when: float


class Caller:
    """One conversation. `NotFoundError` where the visit is over and forgotten."""

    def __init__(self, channel: socket.socket, greeting: bytes) -> None:
        self.greeting = greeting
        self._socket = channel

    @staticmethod
    async def call(door: Path) -> Caller:
        """Connect."""
        channel = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        channel.setblocking(False)
        try:
            connect(channel, str(door))
            async with asyncio.timeout(ANSWER):
                greeting = await asyncio.get_running_loop().sock_recv(channel, MESSAGE)
        except BaseException as error:
            channel.close()
            if isinstance(error, (OSError, TimeoutError)):
                raise NotFoundError("It is over.") from error
            raise
        return Caller(channel, greeting[1:])

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    async def begin(self, start: int) -> int:
        """Begin to read from an octet on; return how many octets of input were taken so far.

        `ConflictError` where there is nothing at that place.
        """
        return await self._ask(b"o" + start.to_bytes(8, "big"))

    async def pieces(self) -> AsyncIterator[Said | Ended]:
        """Yield what it says, and how it ended; after `begin`. Ends before that where it is to be asked again."""
        loop = asyncio.get_running_loop()
        try:
            while message := await loop.sock_recv(self._socket, MESSAGE):
                kind, at, data = message[:1], int.from_bytes(message[1:9], "big"), message[9:]
                if kind == b"x":
                    yield msgspec.json.decode(data, type=Ended)
                    return
                yield Said(at, data, kind == b"e")
        except OSError:  # it is gone: asking again tells so
            return

    async def type(self, at: int, data: bytes, *, last: bool = False) -> int:
        """Give it input, of which ``at`` octets came before; return how many were taken in all, all of these or not.

        `UnavailableError` where it takes none for some seconds.
        """
        return await self._ask((b"I" if last else b"i") + at.to_bytes(8, "big") + data)

    async def resize(self, rows: int, columns: int) -> None:
        """Tell it how large its terminal is."""
        await self._ask(b"w" + struct.pack("=HH", rows, columns))

    async def end(self) -> None:
        """Hang up on the program: what is left of it is killed."""
        await self._ask(b"q")

    async def _ask(self, message: bytes) -> int:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(ANSWER):
                await loop.sock_sendall(self._socket, message)
                answer = await loop.sock_recv(self._socket, MESSAGE)
        except TimeoutError as error:
            raise UnavailableError("The program does not read its input: try again.") from error
        except OSError as error:
            raise NotFoundError("It is over.") from error
        if not answer:
            raise NotFoundError("It is over.")
        _check(answer)
        return int.from_bytes(answer[1:9], "big")


def _check(message: bytes) -> None:
    if message[:1] == b"!":
        start, taken = struct.unpack("!QQ", message[1:17])
        raise ConflictError("There is nothing at that place.", first=start, taken=taken)
