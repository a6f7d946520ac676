"""Volumes: folders of tenants' data that outlive releases and can't outgrow their size.

As root a volume is an ext4 image in a sparse file beside its folder, mounted there: the size is a hard limit, and a
full volume is nobody else's trouble. Where images can't be mounted, and for a plain user, it is a plain folder, and
`usage` is there for whoever watches it. A volume is never removed without being named.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import stat
import struct
import tempfile
from pathlib import Path

from serai.cloud.drivers.contract import Probe
from serai.cloud.drivers.process.runner import run
from serai.cloud.mounts import closed, device
from serai.errors import InternalError, InvalidError, SeraiError, UnsupportedError

ROOM = 8 << 20  # octets that the disk must have again before a volume is mended
LEAST_MB = 8  # an ext4 with its journal needs about 5
MENDED = 2  # e2fsck(8): 0 clean, 1 mended, 2 mended and a mounted one needs a reboot; more is trouble
SUPERBLOCK = 1024  # octets before ext4's superblock, and in it: linux/Documentation/filesystems/ext4/super.rst
MAGIC = b"\x53\xef"
LOOPS = Path("/sys/block")
LOOKS = 250  # and 20 ms between two: who copied our mounts for a moment, as each new sandbox does, drops them soon


class Volumes:
    """Make, grow, measure and remove volumes. ``hard`` says whether sizes are enforced by the kernel."""

    def __init__(self, *, hard: bool) -> None:
        self.hard = hard

    @classmethod
    async def open(cls, folder: Path) -> tuple[Volumes, Probe]:
        """Try a volume in ``folder``; return what can be had there, and the probe that says why.

        What a kill left of earlier trials there goes: one process at a time may try.
        """
        if os.geteuid() != 0:
            return cls(hard=False), Probe("volumes", "not root: sizes of volumes are watched, not enforced")
        trial = cls(hard=True)
        for left in await asyncio.to_thread(lambda: list(folder.glob(".probe-*"))):
            with contextlib.suppress(SeraiError):
                await trial.remove(left / "volume", named="volume")
            await asyncio.to_thread(shutil.rmtree, left, ignore_errors=True)
        place = Path(tempfile.mkdtemp(dir=folder, prefix=".probe-"))
        try:
            await trial.ensure(place / "volume", LEAST_MB, 0, 0)
            await trial.remove(place / "volume", named="volume")
        except (SeraiError, OSError) as error:
            detail = error.fields.get("output", "") if isinstance(error, SeraiError) else ""
            return cls(hard=False), Probe("volumes", f"sizes are watched, not enforced: {error} {detail}".strip())
        finally:
            await asyncio.to_thread(shutil.rmtree, place, ignore_errors=True)
        return trial, Probe("volumes", "ok")

    async def ensure(self, path: Path, size_mb: int, uid: int, gid: int) -> None:
        """Have a volume at ``path``, owned by ``uid`` and ``gid``; make, mount or grow it as needed.

        Never shrinks one and never changes what is in it. Raises `InternalError` where the host refuses,
        `UnsupportedError` where it must grow, is in use, and this host can't do both at once.
        """
        await asyncio.to_thread(_folder, path)
        if self.hard:
            wanted = max(size_mb, LEAST_MB) << 20
            if not await asyncio.to_thread(_image(path).exists):
                await self._make(_image(path), wanted, uid, gid)
            elif await asyncio.to_thread(_size, path) < wanted:
                await self.grow(path, size_mb)
            await self._mount(path)
        if os.geteuid() == 0:
            try:
                await asyncio.to_thread(_own, path, uid, gid)
            except OSError as error:  # the kernel closed it for writing, see `mend`
                raise InternalError("The data folder can't be written.", volume=str(path)) from error

    async def mend(self, path: Path) -> bool:
        """Open a volume again that the kernel closed for writing, which it does where the disk below it was full.

        Nothing is done while that has no room. Return whether its users must let go of it first.
        """
        if not self.hard or not closed(path) or await asyncio.to_thread(_room, path.parent) < ROOM:
            return False
        busy, _ = await run(("umount", str(path)), check=False)
        return bool(busy) or not await self._mount(path)

    async def grow(self, path: Path, size_mb: int) -> None:
        """Give a volume more room; while it is in use, where the kernel lets us."""
        if not self.hard:
            return
        if size_mb << 20 < await asyncio.to_thread(_size, path):
            raise InvalidError("A volume can't shrink.", path="size_mb")
        await asyncio.to_thread(os.truncate, _image(path), size_mb << 20)
        busy = 0
        if device(path):
            await run(("losetup", "--set-capacity", device(path)))
            status, _ = await run(("resize2fs", device(path)), deadline=60, check=False)
            if not status:
                return
            # Growing a mounted ext4 needs CAP_SYS_RESOURCE, which containers' root may lack.
            busy, _ = await run(("umount", str(path)), check=False)
        if busy or not await self._mount(path):
            raise UnsupportedError("The volume grows when nothing uses it any more.", volume=str(path))

    async def usage(self, path: Path) -> int:
        """Return the octets on disk that a volume's files take."""
        if device(path):
            numbers = await asyncio.to_thread(os.statvfs, path)
            return (numbers.f_blocks - numbers.f_bfree) * numbers.f_frsize
        return await asyncio.to_thread(measure, path)

    async def release(self, path: Path) -> None:
        """Unmount a volume, as before a shutdown; its content stays."""
        if device(path):
            await run(("umount", str(path)))

    async def remove(self, path: Path, *, named: str) -> None:
        """Remove a volume and all in it; ``named`` must be its folder's name, so that nobody does it by accident."""
        if named != path.name:
            raise InvalidError("A volume is only removed by its name.", path="named")
        await self.release(path)
        await asyncio.to_thread(_image(path).unlink, missing_ok=True)
        await asyncio.to_thread(shutil.rmtree, path, ignore_errors=True)

    async def _make(self, image: Path, size: int, uid: int, gid: int) -> None:
        """Make an image; under another name until it is whole, so that a crash leaves no half of one."""
        new = image.with_suffix(".new")
        await asyncio.to_thread(_sparse, new, size)
        owner = f"root_owner={uid}:{gid}"
        await run(("mkfs.ext4", "-q", "-F", "-m", "0", "-E", owner, str(new)), deadline=60)
        await asyncio.to_thread(new.rename, image)

    async def _mount(self, path: Path) -> bool:
        """Mount an image that isn't mounted, as large as its file; repair what a crash left.

        Return False where another mount namespace still has it: then it is sound and in use, and to repair or grow it
        from here would ruin it. mount(8) takes the loop device that it has.
        """
        if device(path):
            return True
        image = _image(path)
        if free := await _freed(image):
            # All of it is looked at before it grows, else only what was not unmounted in order.
            grown = await asyncio.to_thread(_grown, image)
            status, said = await run(
                ("e2fsck", *(("-f",) if grown else ()), "-p", str(image)), deadline=600, check=False
            )
            if status > MENDED:
                raise InternalError("A volume is damaged: e2fsck needs a person.", volume=str(path), output=said)
            if grown:
                await run(("resize2fs", str(image)), deadline=60)
        await run(("mount", "-o", "loop,nosuid,nodev,noatime", str(image), str(path)))
        await asyncio.to_thread(_clear, path)
        return free


def _room(path: Path) -> int:
    numbers = os.statvfs(path)
    return numbers.f_bavail * numbers.f_frsize


async def _freed(image: Path) -> bool:
    """Wait until no loop device has an image, as each mount of it has one in whatever namespace; False if one stays."""
    for _ in range(LOOKS):
        if not await asyncio.to_thread(_held, image):
            return True
        await asyncio.sleep(0.02)
    return False


def _held(image: Path) -> bool:
    for file in LOOPS.glob("loop*/loop/backing_file"):
        with contextlib.suppress(OSError):  # it was just given back
            if file.read_text().rstrip("\n") == str(image.absolute()):
                return True
    return False


def measure(path: Path) -> int:
    """Add up the octets on disk of everything below ``path``; follows no link, and counts a hard link once."""
    total, seen, waiting = 0, set(), [str(path)]
    while waiting:
        try:
            entries = list(os.scandir(waiting.pop()))
        except OSError:
            continue
        for entry in entries:
            try:
                status = entry.stat(follow_symlinks=False)
            except OSError:
                continue
            if status.st_ino not in seen:
                seen.add(status.st_ino)
                total += status.st_blocks * 512
            if stat.S_ISDIR(status.st_mode):
                waiting.append(entry.path)
    return total


def _image(path: Path) -> Path:
    return path.with_name(f".{path.name}.ext4")


def _folder(path: Path) -> None:
    path.mkdir(mode=0o700, parents=True, exist_ok=True)


def _own(path: Path, uid: int, gid: int) -> None:
    os.chown(path, uid, gid)
    path.chmod(0o700)


def _size(path: Path) -> int:
    return _image(path).stat().st_size


def _grown(image: Path) -> bool:
    """Tell whether a file is larger than the file system in it, by ext4's superblock; unsure counts as yes."""
    with image.open("rb") as file:
        superblock = os.pread(file.fileno(), SUPERBLOCK, SUPERBLOCK)
        size = file.seek(0, os.SEEK_END)
    if len(superblock) < SUPERBLOCK or superblock[56:58] != MAGIC:
        return True
    blocks, _, _, _, _, shift = struct.unpack_from("<6I", superblock, 4)
    unit: int = 1024 << shift
    return size // unit * unit != int(blocks) * unit


def _clear(path: Path) -> None:
    """Remove what mkfs and e2fsck put into each volume: programs take an empty data folder as new."""
    with contextlib.suppress(OSError):
        (path / "lost+found").rmdir()


def _sparse(path: Path, size: int) -> None:
    with path.open("wb") as file:
        file.truncate(size)
    path.chmod(0o600)
