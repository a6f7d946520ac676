"""A network namespace for a browser: interfaces that come and go in others' tests don't make it give up on a page."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import secrets
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

_CLONE_NEWNET = 0x40000000
_LIBC = ctypes.CDLL(None, use_errno=True)


class Apart:
    """A namespace in which there is a loopback interface alone, with those ports of this machine that it is led to."""

    def __init__(self) -> None:
        self._name = f"srapart{secrets.token_hex(4)}"
        self._ports: set[int] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        subprocess.run(["ip", "netns", "add", self._name], check=True)
        subprocess.run(["ip", "-n", self._name, "link", "set", "lo", "up"], check=True)
        self._thread.start()

    @contextlib.contextmanager
    def inside(self) -> Iterator[None]:
        """Let what this thread starts or opens meanwhile be in the namespace."""
        with (
            Path("/proc/thread-self/ns/net").open("rb") as home,
            Path("/run/netns", self._name).open("rb") as there,
        ):
            _enter(there.fileno())
            try:
                yield
            finally:
                _enter(home.fileno())

    def lead(self, port: int) -> None:
        """Let a port of 127.0.0.1 be found in the namespace, too."""
        if port in self._ports:
            return
        self._ports.add(port)
        with self.inside():
            listening = socket.create_server(("127.0.0.1", port), backlog=128)

        async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                writer.transport.abort()
                return
            await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))
            writer.close()
            far_writer.close()

        asyncio.run_coroutine_threadsafe(asyncio.start_server(relay, sock=listening), self._loop).result(30)

    def remove(self) -> None:
        """Take it down; whoever is still inside keeps it until they end."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)
        subprocess.run(["ip", "netns", "delete", self._name], check=False)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass octets on until their end, which is passed on as well."""
    try:
        while octets := await reader.read(1 << 16):
            writer.write(octets)
            await writer.drain()
        writer.write_eof()
    except OSError:  # one side is gone: let the other know
        writer.transport.abort()


def _enter(namespace: int) -> None:
    if _LIBC.setns(namespace, _CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
