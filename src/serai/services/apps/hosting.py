"""The driver of this host, shared by the agent and the tasks beside it.

A driver's `recover` clears up what a crash left of half-made workloads, so nobody else may be making one meanwhile: it
is called once, before anything else, and only when no other process uses the driver of this home. A lock file says
so; the kernel gives it back however the process ends. From then on the handles are known here.
"""

from __future__ import annotations

import asyncio
import fcntl
import functools
import os
import zlib
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from serai.cloud.drivers import Driver, Enterable, Entry, Exit, Handle, Probe, Usage, Visit, Workload
from serai.cloud.drivers.process import ProcessDriver
from serai.cloud.volumes import Volumes
from serai.errors import UnsupportedError
from serai.services.apps.launch import Place
from serai.services.apps.place import furnish

PAUSE = 0.05  # seconds between two looks whether an earlier process has let go


def driver(home: Path, name: str = ProcessDriver.NAME) -> SharedDriver:
    """Return this process's driver for a home, or raise `UnsupportedError`."""
    return _driver(home, name)


def forget() -> None:
    """Open drivers anew at the next use, as the next process would."""
    _driver.cache_clear()


@functools.cache
def _driver(home: Path, name: str) -> SharedDriver:
    if name != ProcessDriver.NAME:
        raise UnsupportedError(f"There is no driver {name}; there is process.", path="driver")
    # Homes side by side on one host have control groups and interfaces of their own.
    own = f"{zlib.crc32(str(home).encode()):08x}"
    gid = (home / "data/apps").stat().st_gid if os.geteuid() == 0 else None
    return SharedDriver(ProcessDriver(home / "run/instances", name=own, gid=gid), home / "run/driver.lock")


class SharedDriver:
    """A driver that is recovered once, under a lock, before its first use; it is itself a `Driver`."""

    def __init__(self, inner: Driver, lock: Path) -> None:
        self.NAME = inner.NAME
        self.inner = inner
        self._lock = lock
        self._fd = -1
        self._opening = asyncio.Lock()
        self._handles: dict[str, Handle] | None = None
        self._volumes: Volumes | None = None
        self._opening_volumes = asyncio.Lock()
        self._preparing: defaultdict[Path, asyncio.Lock] = defaultdict(asyncio.Lock)  # by data folder

    @property
    def hard(self) -> bool:
        """Whether sizes of data folders are enforced by the kernel, once one was prepared."""
        return self._volumes is not None and self._volumes.hard

    async def probe(self) -> Sequence[Probe]:
        """Try each ability by doing it; nothing is tried while an earlier process, which found them, is at work."""
        if self._handles is None and not self._try_lock():
            return ()
        await self._open()
        probes, _ = await asyncio.gather(self.inner.probe(), self._storage())
        return probes

    def expect(self) -> None:
        """Tell the driver that a start is likely to come."""
        if self._handles is not None:
            self.inner.expect()

    async def start(self, workload: Workload) -> Handle:
        """Start a workload."""
        handles = await self._open()
        handle = await self.inner.start(workload)
        handles[handle.id] = handle
        return handle

    async def recover(self) -> Sequence[Handle]:
        """Return all handles, those of earlier processes included; waits until these have ended."""
        return list((await self._open()).values())

    async def wait(self, handle: Handle) -> Exit:
        """Return when it has ended."""
        return await self.inner.wait(handle)

    async def signal(self, handle: Handle, number: int) -> None:
        """Send a signal."""
        await self.inner.signal(handle, number)

    async def stop(self, handle: Handle, *, grace: float = 10.0) -> Exit:
        """Stop it."""
        return await self.inner.stop(handle, grace=grace)

    async def remove(self, handle: Handle) -> None:
        """Take away what is left of it."""
        await self.inner.remove(handle)
        if self._handles is not None and self._handles.get(handle.id) == handle:
            del self._handles[handle.id]

    async def retire(self) -> None:
        """Take away what the driver keeps on this host, unless something still runs."""
        if not self._handles:
            await self.inner.retire()

    async def usage(self, handle: Handle) -> Usage:
        """Measure it."""
        return await self.inner.usage(handle)

    async def connections(self, handle: Handle) -> int:
        """Count its connections."""
        return await self.inner.connections(handle)

    def _enterable(self) -> Enterable:
        if not isinstance(self.inner, Enterable):
            raise UnsupportedError(f"What the driver {self.NAME} runs can't be entered.")
        return self.inner

    async def enter(self, handle: Handle, entry: Entry) -> Visit:
        """Run a further program inside of what runs."""
        return await self._enterable().enter(handle, entry)

    async def visits(self, folder: Path) -> Sequence[Visit]:
        """Find those that were entered."""
        return await self._enterable().visits(folder) if isinstance(self.inner, Enterable) else ()

    async def left(self, visit: Visit) -> Exit:
        """Return when it has ended."""
        return await self._enterable().left(visit)

    async def leave(self, visit: Visit) -> Exit:
        """End it."""
        return await self._enterable().leave(visit)

    async def prepare(self, where: Place, size_mb: int) -> None:
        """Have an app's folders and its data volume of so many MiB, with the right owners; safe to call again."""
        volumes = await self._storage()
        async with self._preparing[where.data]:
            await asyncio.to_thread(furnish, where)
            uid, gid = (where.uid, where.uid) if where.uid is not None else (os.getuid(), os.getgid())
            await volumes.ensure(where.data, size_mb, uid, gid)

    async def _storage(self) -> Volumes:
        await self._open()  # who has the lock is alone with the trial, too
        async with self._opening_volumes:
            if self._volumes is None:
                self._volumes, _ = await Volumes.open(self._lock.parent)
        return self._volumes

    async def data_used(self, where: Path) -> int:
        """Return the octets that a data folder takes."""
        return await (self._volumes or Volumes(hard=False)).usage(where)

    async def mend(self, data: Path) -> bool:
        """Open a data folder again that was closed for writing; return whether its users must let go of it first."""
        async with self._preparing[data]:
            return self._volumes is not None and await self._volumes.mend(data)

    async def discard(self, data: Path, *, forever: bool) -> None:
        """Unmount an app's data; ``forever`` removes it."""
        volumes = self._volumes or Volumes(hard=False)
        if forever:
            await volumes.remove(data, named=data.name)
        else:
            await volumes.release(data)

    def close(self) -> None:
        """Let another process, or another driver of this one, take over."""
        self._handles = None
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    async def _open(self) -> dict[str, Handle]:
        async with self._opening:
            if self._handles is None:
                await self._take_lock()
                self._handles = {handle.id: handle for handle in await self.inner.recover()}
        return self._handles

    async def _take_lock(self) -> None:
        while True:
            if self._try_lock():
                return
            await asyncio.sleep(PAUSE)

    def _try_lock(self) -> bool:
        if self._fd < 0:
            self._fd = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
