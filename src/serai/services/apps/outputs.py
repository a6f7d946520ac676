"""What cached steps of a build left, kept by the key of all that they depend on.

``cache/tools`` is the build's own, at ``/cache`` inside: downloads. ``cache/outputs/KEY`` is the platform's: no tenant
process ever writes there, so a later build gets what an earlier one made, not what somebody put there since.
"""

from __future__ import annotations

import asyncio
import os
import re
from pathlib import Path

from serai.cloud.volumes import measure
from serai.errors import InternalError
from serai.services.apps.recipes.contract import BuildPlan
from serai.services.apps.seal import clear

TOOLS = "tools"
MAX_TOOLS = 2 << 30  # octets
KEPT = 3  # keys per app
_KEY = re.compile(r"[0-9a-f]{16,128}\Z")


class Cache:
    """The outputs of one plan's cached steps."""

    def __init__(self, folder: Path, plan: BuildPlan) -> None:
        self._folder = folder
        self._plan = plan
        usable = bool(_KEY.match(plan.key) and plan.outputs and any(step.cached for step in plan.steps))
        self._kept = folder / "outputs" / plan.key if usable else None

    def furnish(self, uid: int | None) -> None:
        """Make the folder for downloads, a new one where it has grown too large. Blocks."""
        tools = self._folder / TOOLS
        if measure(tools) > MAX_TOOLS:
            clear(tools)
        tools.mkdir(mode=0o700, parents=True, exist_ok=True)
        if uid is not None and tools.stat().st_uid != uid:
            os.chown(tools, uid, uid)

    async def take(self, target: Path) -> bool:
        """Copy the outputs of an earlier build into a folder; return whether there was one."""
        if self._kept is None or not self._kept.is_dir():
            return False
        for index, output in enumerate(self._plan.outputs):
            source = self._kept / str(index)
            if source.exists():
                (target / output).parent.mkdir(parents=True, exist_ok=True)
                await _copy(source, target / output)
        os.utime(self._kept)
        return True

    async def keep(self, source: Path) -> None:
        """Copy what the steps just left, so that a later build may take it; the oldest keys go."""
        if self._kept is None:
            return
        partial = self._kept.with_name(self._kept.name + ".partial")
        await asyncio.to_thread(clear, partial)
        partial.mkdir(mode=0o700, parents=True)
        for index, output in enumerate(self._plan.outputs):
            # Only what is really there: a link would lead the copy, made by root, to somewhere else.
            if _inside(source, output):
                await _copy(source / output, partial / str(index))
        await asyncio.to_thread(clear, self._kept)
        partial.rename(self._kept)
        keys = sorted(self._kept.parent.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
        for old in keys[KEPT:]:
            await asyncio.to_thread(clear, old)


def _inside(root: Path, path: str) -> bool:
    here = root
    for part in Path(path).parts:
        here = here / part
        if part == ".." or here.is_symlink() or not here.exists():
            return False
    return True


async def _copy(source: Path, target: Path) -> None:
    # cp(1) clones blocks where the file system can, keeps links as links, and is far faster than Python.
    argv = ("/bin/cp", "-a", "--reflink=auto", "--no-target-directory", "--", str(source), str(target))
    process = await asyncio.create_subprocess_exec(
        *argv, stdin=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    _, errors = await process.communicate()
    if process.returncode:
        raise InternalError("The build cache can't be copied.", detail=errors.decode(errors="replace")[:500])
