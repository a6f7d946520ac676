"""Hosts over HTTP: enrolled by the operator, known by their keys, with the rights that hosts need and no others."""

from __future__ import annotations

from typing import Any

import pytest

from serai.errors import DeniedError, InvalidError, NotFoundError
from serai.identity.hosts import FILE


async def status(api: Any, path: str, key: str, method: str = "GET", body: Any = None) -> int:
    return int((await api.front(method, path, body, authorization=f"Bearer {key}")).status_code)


async def test_a_host_reads_what_it_runs_and_nothing_of_people(api: Any) -> None:
    await api.call("POST", "/v1/tenants", {"name": "demo"})
    key = (await api.call("POST", "/v1/hosts/two/key"))["key"]
    answer = await api.front("GET", "/v1/me", authorization=f"Bearer {key}")
    assert (answer.json()["who"], answer.json()["grants"]) == ("host:two", [{"role": "host"}])
    for path in ("/v1/tenant", "/v1/tenant/demo/demo", "/v1/app", "/v1/instance?tenant=demo", "/v1/hosts"):
        assert await status(api, path, key) == 200, path
    people = (
        "/v1/user",
        "/v1/member",
        "/v1/role",
        "/v1/tokens/-",
        "/v1/variables",
        "/v1/gittoken",
        "/v1/audit/changes",
    )
    for path in (*people, "/v1/status", "/v1/export", "/v1/tasks", "/v1/invitations/demo"):
        assert await status(api, path, key) == 403, path
    for method, path, body in (
        ("PUT", "/v1/tenant/demo/demo", {"uid": 1}), ("POST", "/v1/hosts/two/key", None),
        ("POST", "/v1/me/tokens", {}), ("DELETE", "/v1/hosts/two/key", None), ("PUT", "/v1/host/-/two", {}),
    ):  # fmt: skip
        assert await status(api, path, key, method, body) == 403, path


async def test_a_host_follows_changes_of_what_it_may_read(api: Any) -> None:
    await api.call("POST", "/v1/tenants", {"name": "demo"})
    await api.person("ada", ("demo", "owner"))
    key = (await api.call("POST", "/v1/hosts/two/key"))["key"]
    answer = await api.front("GET", "/v1/changes?end=true", authorization=f"Bearer {key}")
    assert answer.status_code == 200
    assert '"kind":"tenant"' in answer.text
    for kind in ("member", "user", "host-key", "credentials"):
        assert f'"kind":"{kind}"' not in answer.text


async def test_a_key_is_told_once_ends_at_once_and_its_uses_are_in_the_audit(api: Any) -> None:
    first = (await api.call("POST", "/v1/hosts/two/key"))["key"]
    second = (await api.call("POST", "/v1/hosts/two/key"))["key"]
    assert (await status(api, "/v1/me", first), await status(api, "/v1/me", second)) == (401, 200)
    listed = await api.call("GET", "/v1/hosts")
    assert [(one["name"], one["revoked"]) for one in listed["items"]] == [("two", False)]
    assert second.rpartition("_")[2] not in str(listed)
    assert await status(api, "/v1/user", second) == 403
    await api.call("DELETE", "/v1/hosts/two/key")
    assert await status(api, "/v1/me", second) == 401
    with pytest.raises(NotFoundError):
        await api.call("DELETE", "/v1/hosts/two/key")
    await api.desk.audit.flush()
    changes = (await api.call("GET", "/v1/audit/changes", query={"kind": "host-key"}))["items"]
    assert [(one["who"], one["name"]) for one in changes] == [("user:root", "two")] * 3
    refused = (await api.call("GET", "/v1/audit/refusals", query={"who": "host:two"}))["items"]
    assert [(one["who"], one["action"]) for one in refused] == [("host:two from 192.0.2.7", "user.read")]


async def test_the_key_of_a_host_that_is_deleted_ends_with_it(api: Any) -> None:
    await api.call("PUT", "/v1/host/-/two", {"cores": 1, "memory_mb": 1})
    key = (await api.call("POST", "/v1/hosts/two/key"))["key"]
    await api.call("DELETE", "/v1/host/-/two", query={"confirm": "two"})
    assert await status(api, "/v1/me", key) == 401


async def test_this_hosts_own_key_stays_in_its_home(api: Any) -> None:
    assert (await api.call("POST", "/v1/hosts/test/key"))["key"] == ""
    key = (api.ctx.home / FILE).read_text().strip()
    assert await status(api, "/v1/me", key) == 200
    await api.call("POST", "/v1/hosts/test/key")
    assert await status(api, "/v1/me", key) == 401


async def test_only_the_platforms_people_enrol_hosts(api: Any) -> None:
    await api.person("ada", ("demo", "owner"))
    cookie = await api.signed_in()
    for method in ("POST", "DELETE"):
        answer = await api.front(method, "/v1/hosts/two/key", cookie=cookie, origin="https://console.localhost")
        assert answer.status_code == 404
    with pytest.raises(InvalidError):
        await api.call("POST", "/v1/hosts/a_b/key")
    with pytest.raises((InvalidError, DeniedError, NotFoundError)):
        await api.call("POST", "/v1/hosts/%00/key")
