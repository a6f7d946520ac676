"""A way out of an unprivileged network namespace, by slirp4netns."""

from __future__ import annotations

import os

from .bencode import text


class Slirp:
    """Start slirp4netns outside of the namespaces that are made next, and have it connect them."""

    def __init__(self, argv: list[bytes]) -> None:
        self._argv = [text(word) for word in argv]
        go, self._go = os.pipe()
        self._ready, ready = os.pipe()
        # slirp4netns ends when this end, which only the shim holds, is closed.
        leave, self._alive = os.pipe()
        shim = os.getpid()
        if not os.fork():
            try:
                os.close(self._alive)
                os.close(self._go)
                if os.read(go, 1):
                    self._become(shim, ready, leave)
            finally:
                os._exit(127)
        for fd in (go, ready, leave):
            os.close(fd)

    def connect(self) -> None:
        """Return when this process's network namespace has its way out; raise OSError where it gets none."""
        os.write(self._go, b"g")
        os.close(self._go)
        ready = os.read(self._ready, 1)
        os.close(self._ready)
        if not ready:
            raise OSError(5, "slirp4netns gave up", self._argv[0])

    def _become(self, shim: int, ready: int, leave: int) -> None:
        for fd in (ready, leave):
            os.set_inheritable(fd, True)
        argv = [*self._argv, f"--ready-fd={ready}", f"--exit-fd={leave}", str(shim), "tap0"]
        os.execve(argv[0], argv, {"PATH": "/usr/bin:/bin"})  # noqa: S606  a typed vector; no shell


def refuse(rules: list[bytes]) -> None:
    """Load ``rules`` = [path of nft, ruleset] into this network namespace; raise OSError where they are refused.

    slirp4netns opens connections as the platform's user from the host, so its guests must be held back before.
    """
    path, ruleset = rules
    argv = [path, b"-f", b"-"]
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.dup2(reading, 0, inheritable=True)
            os.execve(path, argv, {})  # noqa: S606
        finally:
            os._exit(127)
    os.close(reading)
    os.write(writing, ruleset)
    os.close(writing)
    if os.waitpid(child, 0)[1]:
        raise OSError(5, "nft refused the rules", text(path))
