"""Start a shim and talk to it until the workload's program is executing."""

from __future__ import annotations

import asyncio
import contextlib
import marshal
import os
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterable
from importlib.util import MAGIC_NUMBER
from pathlib import Path
from typing import Any

import msgspec

from serai.cloud.drivers.process.records import tail
from serai.cloud.drivers.process.shim import bencode
from serai.errors import DeadlineError, InternalError, InvalidError, SeraiError, UnsupportedError

SHIM = Path(__file__).parent / "shim" / "__main__.py"
GIVE_UP = 5.0  # seconds for a shim to clear up
LONGEST = 64 << 10  # octets of a shim's message


class Started(msgspec.Struct, frozen=True):
    """Process IDs of the shim, of bubblewrap and of the program inside."""

    shim: int
    sandbox: int
    program: int


class Conversation:
    """The socket between the agent and one shim; see `serai.cloud.drivers.process.shim.main`."""

    def __init__(self) -> None:
        self._ours, self._theirs = socket.socketpair()
        self._ours.setblocking(False)
        self._errors = Path("/dev/null")
        self._reaping: asyncio.Task[int] | None = None

    @property
    def begun(self) -> bool:
        """Tell whether there is a shim."""
        return self._reaping is not None

    def begin(self, python: str, folder: Path, errors: Path, verb: str = "main") -> None:
        """Start a shim, whose own mistakes go to the file ``errors``; ``folder`` is what people see in its name."""
        self._errors = errors
        fd = os.open(self._errors, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
        try:
            # Not by the event loop, which copies the page tables of this large process for each child.
            process = subprocess.Popen(
                [python, "-I", "-S", str(SHIM), verb, str(folder)],
                stdin=self._theirs.fileno(),
                stdout=fd,
                stderr=fd,
                env={},
            )
        finally:
            os.close(fd)
            self.release()
        # The first process forks the shim and ends.
        self._reaping = asyncio.create_task(asyncio.to_thread(process.wait))

    async def configure(self, config: dict[str, Any]) -> None:
        """Tell the shim what to run."""
        data = bencode.encode(config)
        try:
            await asyncio.get_running_loop().sock_sendall(self._ours, len(data).to_bytes(4, "big") + data)
        except OSError:
            raise InternalError("The shim ended without a word.", log=tail(self._errors)) from None

    def release(self) -> None:
        """Close the shim's end here, so that its death is seen."""
        self._theirs.close()

    async def until_running(self, connect: Callable[[int], Awaitable[None]], argv0: str) -> Started:
        """Return when the program executes; call ``connect`` with the shim's pid where it asks for a network.

        Raises `InvalidError` where the program can't be executed, `UnsupportedError` where no sandbox stands.
        """
        while True:
            message = await self._receive()
            match message["event"]:
                case b"network":
                    await connect(message["pid"])
                    await self.confirm()
                case b"running":
                    return Started(message["pid"], message["child"], message["program"])
                case _:
                    raise failure(message, argv0)

    async def confirm(self) -> None:
        """Let the shim go on."""
        await asyncio.get_running_loop().sock_sendall(self._ours, b"g")

    def close(self) -> None:
        """End the conversation."""
        self._ours.close()

    async def abandon(self) -> None:
        """Return when a shim that was not told to go on has killed what it started, and has ended."""
        self._ours.shutdown(socket.SHUT_WR)
        with contextlib.suppress(TimeoutError, OSError):
            async with asyncio.timeout(GIVE_UP):
                while await asyncio.get_running_loop().sock_recv(self._ours, 4096):
                    pass

    async def _receive(self) -> dict[str, Any]:
        length = int.from_bytes(await self._exactly(4), "big")
        if length > LONGEST:
            raise InternalError("The shim sent nonsense.")
        message: dict[str, Any] = bencode.decode(await self._exactly(length))
        return message

    async def _exactly(self, length: int) -> bytes:
        data = b""
        while len(data) < length:
            more = await asyncio.get_running_loop().sock_recv(self._ours, length - len(data))
            if not more:
                raise InternalError("The shim ended without a word.", log=tail(self._errors))
            data += more
        return data


def failure(message: dict[str, Any], argv0: str) -> SeraiError:
    """Return the error that a shim's message stands for."""
    said = bencode.text(message.get("text", b""))
    reason = bencode.text(message.get("reason", b""))
    if reason == "exec":
        why = os.strerror(message["errno"])
        return InvalidError(f"The program {argv0!r} can't be executed: {why}.", path="argv", log=said)
    return UnsupportedError("The sandbox could not be made.", reason=reason, log=said)


async def within(seconds: float, work: Awaitable[Started]) -> Started:
    """Await ``work`` for at most ``seconds``; raise `DeadlineError` after that."""
    try:
        async with asyncio.timeout(seconds):
            return await work
    except TimeoutError as error:
        raise DeadlineError("The sandbox took too long to stand.") from error


def parts(names: Iterable[str], python: str) -> dict[str, bytes]:
    """Return the shim's files that run inside the sandbox, by name.

    They are compiled, which they would be at each start, where ``python`` is what this process runs on.
    """
    sources = {name: (SHIM.parent / f"{name}.py").read_bytes() for name in names}
    if not Path(python).samefile(sys.executable):
        return {f"{name}.py": source for name, source in sources.items()}
    # PEP 552: the magic number, flags, and the source's time and size, which nothing looks at without a source.
    head = MAGIC_NUMBER + bytes(12)
    return {
        f"{name}.pyc": head + marshal.dumps(compile(source, f"{name}.py", "exec", dont_inherit=True))
        for name, source in sources.items()
    }
