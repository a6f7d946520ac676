"""What a tenant's build left becomes the platform's."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from serai.services.apps.outputs import Cache
from serai.services.apps.recipes.contract import BuildPlan, Step
from serai.services.apps.seal import clear, hand_over, seal

TENANT = 4_000_001


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_a_sealed_folder_has_nothing_of_the_tenants_that_could_be_used(tmp_path: Path) -> None:
    folder = tmp_path / "release"
    (folder / "bin").mkdir(parents=True)
    (folder / "bin/sh").write_text("x")
    hand_over(folder, TENANT)
    assert (folder / "bin/sh").stat().st_uid == TENANT
    (folder / "bin/sh").chmod(0o6777)
    (folder / "secret").write_text("x")
    (folder / "secret").chmod(0o600)
    os.mkfifo(folder / "pipe")
    os.mknod(folder / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    (folder / "out").symlink_to("/etc/passwd")
    before = Path("/etc/passwd").stat()
    seal(folder, TENANT, open_to_edge=False)
    found = {path.name: path.lstat() for path in folder.rglob("*")}
    assert set(found) == {"bin", "sh", "secret", "out"}
    assert all(status.st_uid == 0 for status in found.values())
    assert stat.S_IMODE(found["sh"].st_mode) == 0o755
    assert stat.S_IMODE(found["secret"].st_mode) == 0o644
    assert (folder.stat().st_uid, folder.stat().st_gid, stat.S_IMODE(folder.stat().st_mode)) == (0, TENANT, 0o750)
    after = Path("/etc/passwd").stat()
    assert (after.st_uid, after.st_mode) == (before.st_uid, before.st_mode), "a link was followed"


def test_a_folder_is_cleared_but_not_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept/file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "kept")
    clear(tmp_path / "link")
    clear(tmp_path / "nothing")
    assert (tmp_path / "kept/file").exists()


def plan(key: str, *outputs: str) -> BuildPlan:
    return BuildPlan(
        recipe="python", runtime="", key=key, outputs=outputs, steps=(Step(title="x", argv=("x",), cached=True),)
    )


async def test_outputs_are_found_again_by_their_key(tmp_path: Path) -> None:
    build = tmp_path / "build"
    (build / "venv/lib").mkdir(parents=True)
    (build / "venv/lib/a.py").write_text("a")
    cache = Cache(tmp_path / "cache", plan("0" * 64, "venv"))
    assert not await cache.take(tmp_path / "next")
    await cache.keep(build)
    (tmp_path / "next").mkdir()
    assert await cache.take(tmp_path / "next")
    assert (tmp_path / "next/venv/lib/a.py").read_text() == "a"
    assert not await Cache(tmp_path / "cache", plan("1" * 64, "venv")).take(tmp_path / "other")


async def test_an_output_that_is_a_link_is_not_kept(tmp_path: Path) -> None:
    build = tmp_path / "build"
    build.mkdir()
    (build / "venv").symlink_to("/etc")
    cache = Cache(tmp_path / "cache", plan("0" * 64, "venv", "a/../../etc"))
    await cache.keep(build)
    assert list((tmp_path / "cache/outputs" / ("0" * 64)).iterdir()) == []


async def test_only_the_newest_keys_are_kept(tmp_path: Path) -> None:
    (tmp_path / "venv").mkdir()
    for number in range(6):
        await Cache(tmp_path / "cache", plan(f"{number:064}", "venv")).keep(tmp_path)
    assert len(list((tmp_path / "cache/outputs").iterdir())) == 3


def test_a_plan_without_a_key_keeps_nothing(tmp_path: Path) -> None:
    for bad in ("", "../../x", "short"):
        assert Cache(tmp_path, plan(bad, "venv"))._kept is None
