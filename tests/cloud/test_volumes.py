import contextlib
import os
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serai.cloud import volumes
from serai.cloud.mounts import closed, device, mounted
from serai.cloud.volumes import Volumes, measure
from serai.errors import InternalError, InvalidError, UnsupportedError

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


async def test_a_soft_volume_is_measured_and_removed_by_name_only(tmp_path):
    volumes = Volumes(hard=False)
    path = tmp_path / "data"
    await volumes.ensure(path, 16, os.getuid(), os.getgid())
    (path / "deep").mkdir()
    (path / "deep" / "file").write_bytes(b"x" * 100_000)
    (path / "again").hardlink_to(path / "deep" / "file")
    (path / "link").symlink_to("/usr")
    assert 100_000 <= await volumes.usage(path) < 200_000
    with pytest.raises(InvalidError):
        await volumes.remove(path, named="other")
    assert path.exists()
    await volumes.remove(path, named="data")
    assert not path.exists()


async def hard(folder):
    """Return volumes below a folder that the kernel bounds; skip the test where it can't."""
    volumes, probe = await Volumes.open(folder)
    if probe.result != "ok":
        pytest.skip(probe.result)
    return volumes


@pytest.mark.root
@needs_root
async def test_a_trial_that_was_killed_is_cleared_up_by_the_next(tmp_path):
    left = tmp_path / ".probe-killed" / "volume"
    await hard(tmp_path)
    left.parent.mkdir()
    await Volumes(hard=True).ensure(left, 8, 0, 0)
    assert device(left)
    await Volumes.open(tmp_path)
    assert not device(left)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.root
@needs_root
async def test_a_hard_volume_holds_grows_and_comes_back(tmp_path):
    volumes = await hard(tmp_path)
    path = tmp_path / "data"
    try:
        await volumes.ensure(path, 16, 12345, 12346)
        assert list(path.iterdir()) == []
        status = path.stat()
        assert (status.st_uid, status.st_gid, status.st_mode & 0o777) == (12345, 12346, 0o700)
        with pytest.raises(OSError, match="space"):
            (path / "file").write_bytes(bytes(20 << 20))
        await volumes.ensure(path, 48, 12345, 12346)
        (path / "file").write_bytes(bytes(20 << 20))
        with pytest.raises(InvalidError):
            await volumes.grow(path, 16)
        await volumes.release(path)
        assert device(path) == ""
        await volumes.ensure(path, 48, 12345, 12346)
        assert (path / "file").stat().st_size == 20 << 20
        assert await volumes.usage(path) >= 20 << 20
    finally:
        await volumes.remove(path, named="data")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.root
@needs_root
async def test_a_volume_that_others_still_see_is_neither_repaired_nor_grown(tmp_path, monkeypatch):
    monkeypatch.setattr(volumes, "LOOKS", 1)
    made = await hard(tmp_path)
    path = tmp_path / "data"
    try:
        await made.ensure(path, 16, 0, 0)
        argv = ("unshare", "--mount", "--propagation=private", "sh", "-c", "echo; read _")
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        with subprocess.Popen(argv, **pipes) as other:
            other.stdout.readline()
            await made.release(path)
            await made.ensure(path, 16, 0, 0)
            (path / "file").write_text("kept")
            await made.release(path)
            with pytest.raises(UnsupportedError, match="nothing uses it"):
                await made.grow(path, 48)
            assert (path / "file").read_text() == "kept"
            await made.release(path)
        monkeypatch.undo()
        await made.ensure(path, 48, 0, 0)
        (path / "more").write_bytes(bytes(20 << 20))
        assert (path / "file").read_text() == "kept"
    finally:
        await made.remove(path, named="data")


@pytest.fixture
def disk(tmp_path):
    """A small disk of its own."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", tmp_path], check=True)
    yield tmp_path
    subprocess.run(["umount", "--lazy", tmp_path], check=True)


def fill(path):
    with contextlib.suppress(OSError), path.open("wb", buffering=0) as file:
        while file.write(bytes(4096)):
            pass


@pytest.mark.root
@needs_root
async def test_a_volume_whose_disk_was_full_is_mended_when_there_is_room(disk):
    made = await hard(disk)
    path = disk / "data"
    try:
        await made.ensure(path, 16, 0, 0)
        (path / "file").write_text("kept")
        assert not await made.mend(path), "nothing is wrong"
        os.sync()
        fill(disk / "ballast")
        for number in range(100):  # its journal can't be written either, sooner or later
            if closed(path):
                break
            with contextlib.suppress(OSError):
                (path / f"new{number}").mkdir()
                os.sync()
        assert closed(path)
        with pytest.raises(InternalError, match="can't be written"):
            await made.ensure(path, 16, 0, 0)
        assert not await made.mend(path)
        assert closed(path), "there is no room yet"
        (disk / "ballast").unlink()
        with (path / "file").open() as user:
            assert await made.mend(path), "somebody uses it"
            assert user.read() == "kept"
        assert not await made.mend(path)
        assert not closed(path)
        (path / "file").write_text("written again")
    finally:
        await made.remove(path, named="data")


def test_the_newest_mount_of_a_place_is_found():
    table = (
        "22 1 8:1 / / rw shared:1 - ext4 /dev/sda1 rw\n"
        "30 22 7:0 / /srv/my\\040data rw,nosuid - ext4 /dev/loop0 rw\n"
        "31 22 7:1 / /srv/my\\040data rw,nosuid - ext4 /dev/loop1 rw\n"
    )
    assert mounted(table, "/srv/my data") == "/dev/loop1"
    assert mounted(table, "/srv") == ""


@settings(deadline=None)
@given(st.text(max_size=200))
def test_any_table_of_mounts_is_read(text):
    mounted(text, "/srv")


def test_what_is_not_there_takes_nothing(tmp_path):
    assert measure(tmp_path / "missing") == 0
