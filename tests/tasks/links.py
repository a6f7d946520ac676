"""Processes that reach a server by a network of their own, each over a link that can be cut: all in namespaces."""

from __future__ import annotations

import contextlib
import ctypes
import secrets
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

#: Where the server is, and all that may reach it; nothing outside of the namespaces knows these addresses.
SERVER = "198.18.0.1"
NETWORK = "198.18.0.0/24"
#: How a link is cut: the cable is pulled, or messages vanish on the way there, on the way back, or both.
WAYS = {"pulled": (), "to": ("output",), "from": ("input",), "both": ("output", "input")}

_CLONE_NEWNET = 0x40000000
_LIBC = ctypes.CDLL(None, use_errno=True)


class Links:
    """One namespace for the server, and one for each of ``names``, with a link between."""

    def __init__(self, names: Sequence[str]) -> None:
        self._prefix = f"srtest{secrets.token_hex(4)}"
        self._made: list[str] = []
        try:
            self._make("server")
            self._ip("server", "link", "add", "bridge", "type", "bridge")
            self._ip("server", "address", "add", f"{SERVER}/24", "dev", "bridge")
            self._ip("server", "link", "set", "bridge", "up")
            for number, name in enumerate(names, 2):
                self._join(name, number)
        except BaseException:
            self.remove()
            raise

    @contextlib.contextmanager
    def inside(self, name: str) -> Iterator[None]:
        """Let what this thread starts meanwhile be in a namespace."""
        with (
            Path("/proc/thread-self/ns/net").open("rb") as home,
            Path("/run/netns", self._of(name)).open("rb") as there,
        ):
            _enter(there.fileno())
            try:
                yield
            finally:
                _enter(home.fileno())

    def cut(self, name: str, way: str) -> None:
        """Cut the link of ``name`` in one of the `WAYS`; nobody is told."""
        if way == "pulled":
            self._ip("server", "link", "set", name, "down")
            return
        chains = [f"chain {hook} {{ type filter hook {hook} priority 0; policy drop; }}\n" for hook in WAYS[way]]
        self._nft(name, f"table inet cut {{\n{''.join(chains)}}}\n")

    def heal(self, name: str) -> None:
        """Mend the link, however it was cut."""
        self._ip("server", "link", "set", name, "up")
        self._nft(name, "table inet cut {}\ndelete table inet cut\n")

    def remove(self) -> None:
        """Take all down; whoever is still inside keeps its namespace until it ends."""
        for name in self._made:
            _run("ip", "netns", "delete", name)

    def _of(self, name: str) -> str:
        return f"{self._prefix}{name}"

    def _make(self, name: str) -> None:
        _run("ip", "netns", "add", self._of(name))
        self._made.append(self._of(name))
        self._ip(name, "link", "set", "lo", "up")

    def _join(self, name: str, number: int) -> None:
        self._make(name)
        self._ip("server", "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", self._of(name))
        self._ip("server", "link", "set", name, "master", "bridge", "up")
        self._ip(name, "address", "add", f"198.18.0.{number}/24", "dev", "eth0")
        self._ip(name, "link", "set", "eth0", "up")

    def _ip(self, name: str, *words: str) -> None:
        _run("ip", "-n", self._of(name), *words)

    def _nft(self, name: str, rules: str) -> None:
        with self.inside(name):
            _run("nft", "-f", "-", stdin=rules)


def _run(*command: str, stdin: str = "") -> None:
    subprocess.run(command, check=True, capture_output=True, text=True, input=stdin)


def _enter(namespace: int) -> None:
    if _LIBC.setns(namespace, _CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "can't enter a network namespace")
