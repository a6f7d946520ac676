"""HEAD: every path that has GET answers the same without its content, and the connection goes on."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from serai.api.server import Server
from serai.identity.descriptors import Tenant


async def answers(api: Any, *requests: str) -> list[tuple[int, dict[str, str]]]:
    """Send requests one behind the other on a connection, and return status and fields of what comes back."""
    reader, writer = await asyncio.open_unix_connection(api.path)
    writer.write("".join(f"{line} HTTP/1.1\r\nhost: x\r\n\r\n" for line in requests).encode())
    found = []
    async with asyncio.timeout(20):
        for line in requests:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            fields = dict(one.lower().split(": ", 1) for one in head[1:] if one)
            found.append((int(head[0].split()[1]), fields))
            if not line.startswith("HEAD"):
                await reader.readexactly(int(fields["content-length"]))
    writer.close()
    return found


@pytest.mark.parametrize("path", ["/v1/me", "/v1/tenant", "/v1/tenant/-/demo", "/v1/tenant/-/none", "/v1/none"])
async def test_it_is_the_head_of_what_get_answers(api: Any, path: str) -> None:
    await api.store.put("test", "", "", "demo", Tenant(uid=200_001))
    get, head, again = await answers(api, f"GET {path}", f"HEAD {path}", f"GET {path}")
    for _, fields in (get, head, again):
        fields.pop("x-request-id")
    if get[0] == 404:  # which names the request
        assert head[0] == 404
        assert head[1].keys() == get[1].keys()
    else:
        assert head == get == again


async def test_of_a_stream_there_is_the_head_and_what_comes_next_is_answered(api: Any) -> None:
    head, next_one = await answers(api, "HEAD /v1/changes", "GET /v1/me")
    assert head[0] == next_one[0] == 200
    assert head[1]["content-type"].startswith("text/event-stream")
    server: Server = api.server
    async with asyncio.timeout(20):
        while server._state.tasks:
            await asyncio.sleep(0.01)


async def test_what_takes_no_get_takes_no_head(api: Any) -> None:
    head, put = await answers(api, "HEAD /v1/undelete", "PUT /v1/me")
    assert head[0] == put[0] == 405
    assert "head" not in head[1]["allow"]
    assert "get, head" in put[1]["allow"]
