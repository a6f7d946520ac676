"""Files on their way to a client, small and large, plain and through TLS."""

from __future__ import annotations

import asyncio
import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from serai.services.edge.authority import Authority

LARGE = bytes(range(256)) * 40_000  # 10 MB: more than any socket takes at once


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "index.html").write_bytes(b"hello")
    (folder / "large.bin").write_bytes(LARGE)
    return folder


async def read_slowly(client: Any) -> bytes:
    got = [await client.reader.readuntil(b"\r\n\r\n")]
    size = 0
    while size < len(LARGE):
        await asyncio.sleep(0.001)
        got.append(await client.reader.read(min(1 << 20, len(LARGE) - size)))
        size += len(got[-1])
    return b"".join(got[1:])


async def test_small_files_are_answered_in_a_pipeline(stage, site: Path) -> None:
    stage.route("a.test/x/", target="static", folder=str(site), prefix="/x/")
    await stage.start()
    client = await stage.client()
    client.send(b"GET /x/ HTTP/1.1\r\nHost: a.test\r\n\r\n" * 1000 + b"GET /x/none HTTP/1.1\r\nHost: a.test\r\n\r\n")
    for _ in range(1000):
        assert (await client.answer()).body == b"hello"
    assert (await client.answer()).status == 404


async def test_large_files_arrive_whole_one_after_the_other(stage, site: Path) -> None:
    stage.route(target="static", folder=str(site))
    await stage.start()
    client = await stage.client()
    client.send(b"GET /large.bin HTTP/1.1\r\nHost: a.test\r\n\r\n" * 2 + b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
    assert await read_slowly(client) == LARGE
    assert await read_slowly(client) == LARGE
    assert (await client.answer()).body == b"hello"


async def test_a_range_and_a_head_of_a_large_file(stage, site: Path) -> None:
    stage.route(target="static", folder=str(site))
    await stage.start()
    answer = await stage.get("/large.bin", "a.test", "Range: bytes=100000-199999")
    assert (answer.status, answer.body) == (206, LARGE[100000:200000])
    answer = await stage.get("/large.bin", method="HEAD")
    assert (answer.fields["content-length"], answer.body) == (str(len(LARGE)), b"")


async def test_large_files_arrive_whole_through_tls(stage, site: Path, tmp_path: Path) -> None:
    authority = Authority(tmp_path / "data" / "tls", "test")
    authority.open(datetime.now(UTC))
    authority.ensure("a.test", datetime.now(UTC))
    stage.route(target="static", folder=str(site))
    await stage.start(https=("tcp://127.0.0.1:8443",))
    trust = ssl.create_default_context(cafile=str(tmp_path / "data" / "tls" / "ca.pem"))
    client = await stage.client(trust, "a.test")
    client.send(b"GET /large.bin HTTP/1.1\r\nHost: a.test\r\n\r\n")
    assert await read_slowly(client) == LARGE


async def test_a_client_that_leaves_in_the_middle_leaves_nothing_behind(stage, site: Path) -> None:
    stage.route(target="static", folder=str(site))
    await stage.start()
    client = await stage.client()
    client.send(b"GET /large.bin HTTP/1.1\r\nHost: a.test\r\n\r\n")
    await client.reader.readuntil(b"\r\n\r\n")
    client.writer.transport.abort()
    async with asyncio.timeout(5):
        while stage.module.status()["connections"]:
            await asyncio.sleep(0.02)
    assert '"path":"/large.bin"' in stage.log()
