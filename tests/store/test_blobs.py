"""Blobs: complete or not there."""

import asyncio
import hashlib
import os
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serai.errors import ConflictError, ExhaustedError, InvalidError, NotFoundError
from serai.store import Blob, Blobs


async def stream(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


async def content(blobs: Blobs, blob: str) -> bytes:
    return b"".join([chunk async for chunk in blobs.read(blob)])


def left(blobs: Blobs) -> list[str]:
    return [path.name for path in blobs.folder.rglob("*") if path.is_file()]


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(tmp_path / "blobs")


async def test_a_blob_is_found_by_its_digest(blobs: Blobs) -> None:
    data = os.urandom(700_000)
    blob = await blobs.put(stream(data[:10], b"", data[10:]))
    assert blob == Blob(hashlib.sha256(data).hexdigest(), len(data))
    assert await content(blobs, blob.id) == data
    assert (await blobs.size(blob.id), await blobs.verify(blob.id)) == (len(data), True)
    assert await blobs.put(stream(data), expect=blob.id) == blob
    assert [found async for found in blobs.list()] == [blob]
    assert left(blobs) == [blob.id]
    assert blobs.path(blob.id).stat().st_mode & 0o777 == 0o640


async def test_many_writers_of_the_same_octets_end_with_one_file(blobs: Blobs) -> None:
    found = await asyncio.gather(*(blobs.put(stream(b"same", b"octets")) for _ in range(20)))
    assert (len(set(found)), left(blobs)) == (1, [found[0].id])


async def test_a_deleted_or_unknown_blob_is_not_found(blobs: Blobs) -> None:
    blob = await blobs.put(stream(b"x"))
    await blobs.delete(blob.id)
    for call in (blobs.delete(blob.id), blobs.size(blob.id), blobs.verify(blob.id), content(blobs, blob.id)):
        with pytest.raises(NotFoundError):
            await call


async def test_a_damaged_blob_does_not_verify(blobs: Blobs) -> None:
    blob = await blobs.put(stream(b"right"))
    blobs.path(blob.id).write_bytes(b"wrong")
    assert not await blobs.verify(blob.id)


async def test_what_breaks_off_leaves_nothing_behind(blobs: Blobs) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"half"
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await blobs.put(broken())
    with pytest.raises(ExhaustedError):
        await blobs.put(stream(b"12345", b"67890"), limit=9)
    with pytest.raises(ConflictError):
        await blobs.put(stream(b"x"), expect="0" * 64)
    assert left(blobs) == []


async def test_what_a_crash_left_is_swept(blobs: Blobs) -> None:
    blob = await blobs.put(stream(b"x"))
    (blobs.folder / "new" / "tmpcrash").write_bytes(b"half")
    assert await blobs.sweep(0.0) == 0
    assert await blobs.sweep(2e10) == 1
    assert left(blobs) == [blob.id]


@given(st.text(max_size=80))
def test_only_digests_lead_to_paths(blob: str) -> None:
    with pytest.raises(InvalidError):
        Blobs(Path("/blobs")).path(blob)


@pytest.mark.parametrize(
    "blob", ["../" * 20 + "etc/passwd", "0" * 63 + "\n", "0" * 64 + "\n", "A" * 64, "0" * 65, "\u0660" * 64]
)
def test_what_looks_like_a_digest_is_none(blob: str) -> None:
    with pytest.raises(InvalidError):
        Blobs(Path("/blobs")).path(blob)


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small file system")
async def test_a_full_disk_is_exhausted_and_leaves_nothing_behind(tmp_path: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(tmp_path)], check=True)
    try:
        blobs = Blobs(tmp_path / "blobs")
        small = await blobs.put(stream(b"fits"))
        with pytest.raises(ExhaustedError, match="full"):
            await blobs.put(stream(*[b"x" * 100_000] * 20))
        assert left(blobs) == [small.id]
        assert await content(blobs, small.id) == b"fits"
    finally:
        subprocess.run(["umount", "-l", str(tmp_path)], check=True)


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
async def test_what_root_writes_belongs_to_whom_the_blobs_belong(tmp_path: Path) -> None:
    folder = tmp_path / "blobs"
    folder.mkdir(mode=0o700)
    os.chown(folder, 4321, 4322)
    blob = await Blobs(folder).put(stream(b"from the agent"))
    found = [folder / "new", folder / blob.id[:2], folder / blob.id[:2] / blob.id]
    assert {(path.stat().st_uid, path.stat().st_gid) for path in found} == {(4321, 4322)}
