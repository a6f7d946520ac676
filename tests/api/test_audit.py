"""The audit: every change and every refused attempt, with who and from where; tenants see theirs."""

from __future__ import annotations

from typing import Any

import pytest

from serai.errors import ExhaustedError, InvalidError
from serai.identity import Refusal, Target
from serai.identity.audit import MOST, StoreAudit
from serai.identity.descriptors import Tenant
from serai.identity.people import Member, Secrets, User
from serai.identity.testing import PASSPHRASE
from serai.store import Store
from serai.store.audit import Audit, Wanted
from serai.store.open import open_store


async def cookie_of(api: Any, login: str, tenant: str, role: str) -> str:
    await api.store.put("user:root", "test", "", login, User(email=f"{login}@example.test"))
    await api.store.put("user:root", "test", tenant, login, Member(role=role))
    secrets = Secrets(password=await api.desk.passwords.hash(PASSPHRASE))
    await api.desk.vault.write("user:root", "test", login, secrets, 0)
    answer = await api.front("POST", "/v1/sessions", {"login": login, "password": PASSPHRASE})
    return "; ".join(line.partition(";")[0] for line in answer.headers.get_list("set-cookie"))


async def test_changes_and_refusals_are_found_with_their_address(api: Any) -> None:
    await api.store.put("user:root", "test", "demo", "demo", Tenant(uid=1))
    ada = await cookie_of(api, "ada", "demo", "owner")
    eve = await cookie_of(api, "eve", "other", "viewer")
    here = {"origin": "https://console.localhost"}
    answer = await api.front("PUT", "/v1/role/demo/deployer?why=needed", {"actions": ["app.read"]}, cookie=ada, **here)
    assert answer.status_code == 200
    for _ in range(3):
        assert (await api.front("DELETE", "/v1/app/demo/shop", cookie=eve, **here)).status_code == 404
    assert (await api.front("PUT", "/v1/tenant/demo/demo", {"uid": 1}, cookie=ada, **here)).status_code == 403
    assert (await api.front("GET", "/v1/status", x_forwarded_for="203.0.113.9")).status_code == 401
    await api.desk.audit.flush()

    async def find(what: str, cookie: str = ada, query: str = "tenant=demo") -> list[Any]:
        found: list[Any] = (await api.front("GET", f"/v1/audit/{what}?{query}", cookie=cookie)).json()["items"]
        return found

    [newest] = await find("changes", query="tenant=demo&kind=role")
    assert (newest["who"], newest["why"], newest["name"]) == ("user:ada from 192.0.2.7", "needed", "deployer")
    refused = await find("refusals")
    assert [(one["who"], one["action"], one["count"]) for one in refused] == [
        ("user:ada from 192.0.2.7", "tenant.write", 1),
        ("user:eve from 192.0.2.7", "app.delete", 3),
    ]
    assert [one["who"] for one in await find("refusals", query="tenant=demo&who=user:eve")] == [refused[1]["who"]]
    for query in ("", "tenant=other", "tenant=-"):
        assert (await api.front("GET", f"/v1/audit/refusals?{query}", cookie=ada)).status_code == 404
    everywhere = (await api.call("GET", "/v1/audit/refusals", query={"who": "user:nobody"}))["items"]
    assert [(one["who"], one["action"]) for one in everywhere] == [("user:nobody from 203.0.113.9", "host.status")]


async def test_pages_follow_each_other(api: Any) -> None:
    await api.store.put("user:root", "test", "demo", "demo", Tenant(uid=1))
    for number in range(5):
        await api.call("PUT", f"/v1/role/demo/r{number}", {"actions": ["app.read"]})
    first = await api.call("GET", "/v1/audit/changes", query={"tenant": "demo", "kind": "role", "limit": 3})
    query = {"tenant": "demo", "kind": "role", "limit": 3, "before": first["next"]}
    second = await api.call("GET", "/v1/audit/changes", query=query)
    assert [one["name"] for one in first["items"] + second["items"]] == ["r4", "r3", "r2", "r1", "r0"]
    assert second["next"] == 0


@pytest.mark.parametrize("query", [{"limit": 0}, {"before": 0}, {"who": "x" * 300}, {"tenant": "A B"}, {"since": "x"}])
async def test_what_can_not_be_looked_for_is_refused(api: Any, query: dict[str, Any]) -> None:
    with pytest.raises(InvalidError):
        await api.call("GET", "/v1/audit/changes", query=query)


def attempt(number: int) -> Refusal:
    return Refusal(who=f"user:u{number}", action="x.read", target=Target(), reason="no")


async def test_a_flood_of_attempts_is_counted_and_fills_no_disk() -> None:
    store = open_store("memory:")
    audit = StoreAudit(store, lambda: 1.0)
    for number in range(MOST + 50):
        audit.refused(attempt(number))
    await audit.flush()
    rows = await Audit(store).refusals(Wanted(limit=1000))
    assert len(rows) == MOST + 1
    assert (rows[0].reason, rows[0].count) == ("more than were kept one by one", 50)
    assert audit.count == MOST + 50
    await store.close()


async def test_what_can_not_be_written_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_store("memory:")
    audit = StoreAudit(store, lambda: 1.0)
    audit.refused(attempt(1))
    with monkeypatch.context() as broken:
        broken.setattr(Store, "call", _full)
        with pytest.raises(ExhaustedError):
            await audit.flush()
    audit.refused(attempt(2))
    await audit.flush()
    assert [one.who for one in await Audit(store).refusals(Wanted())] == ["user:u2", "user:u1"]
    await store.close()


async def _full(*_arguments: object) -> None:
    raise ExhaustedError("The disk is full.")
