"""What a client may send to the front that makes no sense: a clear refusal, and nothing is left behind."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from serai.errors import InvalidError
from serai.identity import Grant, Principal
from serai.identity.descriptors import Tenant
from serai.identity.people import Member, User
from serai.identity.principals import Scope
from serai.identity.tokens import issue


async def front(api: Any, data: bytes) -> bytes:
    reader, writer = await asyncio.open_unix_connection(api.path.with_name("front.sock"))
    writer.write(data)
    async with asyncio.timeout(20):
        answer = await reader.read()
    writer.close()
    return answer


@pytest.mark.parametrize(
    "path",
    [
        "/v1/%2e%2e/%2e%2e/etc/passwd",
        "/v1//me",
        "//v1/me",
        "/v1/tenant/..%2f..%2f/x",
        "/v1/tenant/demo/%00",
        "/v1/tenant/demo/%c0%ae%c0%ae",
        "/v1/tenant/demo/%0d%0ax-evil:%201",
        "/v1/tenant/" + "a" * 5000 + "/a",
        "/v1/apps/demo/%2e%2e/env",
        "/v1/tenant/demo/demo?why=%0d%0aset-cookie:a=b",
    ],
)
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_no_trick_with_a_path_gets_anywhere(api: Any, path: str, method: str) -> None:
    head = f"{method} {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    for answer in (await front(api, head.encode()), await api.raw(head.encode())):
        assert answer.startswith(b"HTTP/1.1 4"), answer[:100]
        assert b"application/problem+json" in answer
        assert b"x-evil" not in answer.partition(b"\r\n\r\n")[0]
    assert await api.store.last_change() == 0


async def test_types_are_not_guessed(api: Any) -> None:
    for body in ({"name": "demo", "memory_mb": "64"}, {"name": 1}, {"name": "demo", "memory_mb": True}, [], "demo"):
        with pytest.raises(Exception, match=r"Expected|Invalid"):
            await api.call("POST", "/v1/tenants", body)
    assert await api.store.last_change() == 0


async def test_what_is_foreign_and_what_is_not_there_are_answered_alike(api: Any) -> None:
    for name in ("mine", "theirs"):
        await api.store.put("test", "", name, name, Tenant(uid=1))
    await api.store.put("test", "", "", "ada", User(email="ada@example.com"))
    await api.store.put("test", "", "mine", "ada", Member(role="owner"))
    ada = Principal(kind="user", name="ada", user="ada", grants=(Grant("owner", "mine"),))
    now = api.ctx.clock.now()
    token = await issue(api.store, api.desk.directory, ada, name="one", scope=Scope(tenant="mine"), now=now)
    bearer = f"Bearer {token}"
    assert (await api.front("GET", "/v1/tenant/mine/mine", authorization=bearer)).status_code == 200
    changes = await api.store.last_change()
    answers = []
    for tenant in ("theirs", "absent"):
        answer = await api.front("GET", f"/v1/tenant/{tenant}/{tenant}", authorization=bearer)
        answers.append((answer.status_code, {**answer.json(), "instance": ""}))
    assert answers[0][0] == 404
    assert answers[0] == answers[1]
    assert await api.store.last_change() == changes


async def test_idle_connections_hold_up_nobody_and_are_closed(api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serai.api.server.HEAD_TIMEOUT", 1.0)
    idle = [await asyncio.open_unix_connection(api.path.with_name("front.sock")) for _ in range(400)]
    assert (await api.front("GET", "/v1/me")).status_code == 401
    async with asyncio.timeout(20):
        assert await asyncio.gather(*(reader.read() for reader, _ in idle)) == [b""] * len(idle)
    for _, writer in idle:
        writer.close()


@pytest.mark.parametrize(
    "query",
    [
        "tasks?state=to_do&state=done",
        "tasks?tenant=demo&tenant=other",
        "tasks?limit=1&limit=1",
        "tasks?state=null",
        "tasks?before=null",
        "audit/changes?before=null",
    ],
)
async def test_a_query_that_could_mean_two_things_is_refused(api: Any, query: str) -> None:
    with pytest.raises(InvalidError) as refused:
        await api.call("GET", f"/v1/{query}")
    assert refused.value.fields["path"] == query.partition("?")[2].partition("=")[0]


async def test_a_query_that_does_not_fit_is_told_by_name(api: Any) -> None:
    with pytest.raises(InvalidError) as refused:
        await api.call("GET", "/v1/tasks?limit=many&state=odd")
    assert "state: Invalid enum value" in refused.value.public
    assert "limit: Expected" in refused.value.public
    assert "/v1/tasks" not in refused.value.public
