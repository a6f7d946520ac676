"""The host's page: well or not and why, its workers and modules, and what is last known while the store is away."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from browsing import unclean

from serai.cloud.descriptors import Host, Instance
from serai.daemon import control
from serai.errors import UnavailableError
from serai.store.replica import Replica

HOSTILE = '"><script>alert(1)</script>'
PLAN = [
    {
        "group": "control", "module": "api.http", "user": "control (1:1)", "sockets": ["unix:run/api.sock"],
        "processes": 1, "copies": "one", "tls": [],
    },
    {
        "group": "edge", "module": "edge.http", "user": "edge (2:2)", "sockets": ["tcp://*:443"], "processes": 2,
        "copies": "many", "tls": [],
    },
]  # fmt: skip


def worker(group: str, index: int, reason: str = "", **modules: Any) -> dict[str, Any]:
    return {
        "group": group, "index": index, "pid": 7 + index, "state": "serving", "generation": 1, "uptime_seconds": 61.0,
        "memory": 5 << 20, "modules": {ref.replace("_", "."): one for ref, one in modules.items()}, "reason": reason,
    }  # fmt: skip


def told(*workers: dict[str, Any], reasons: tuple[str, ...] = ()) -> dict[str, Any]:
    return {
        "ok": not reasons, "reasons": list(reasons), "host": "h1", "home": "/srv/serai", "store": "embedded",
        "version": "1.2", "pid": 1, "uptime_seconds": 90061.5, "memory": 9 << 20, "supervisor_memory": 1 << 20,
        "restarts": {}, "workers": list(workers),
    }  # fmt: skip


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the supervisor says."""
    edge = {"ok": True, "connections": 3, "mode": "fast"}
    said: dict[str, Any] = {
        "status": told(
            worker("control", 0, api_http={"ok": True}),
            worker("edge", 0, edge_http=edge),
            worker("edge", 1, edge_http=edge),
        ),
        "plan": PLAN,
    }

    async def request(_path: Any, verb: str, *_more: Any) -> Any:
        await asyncio.sleep(0)
        if verb not in said:
            raise UnavailableError("It is away.")
        return said[verb]

    monkeypatch.setattr(control, "request", request)
    return said


async def test_a_host_that_is_well_is_shown_with_workers_and_modules(house: Any, answers: dict[str, Any]) -> None:
    page = await (await house.visitor("opal", ("", "operator"))).get("/status")
    assert page.status_code == 200
    assert unclean(page.text) == []
    assert "all green" in page.text
    assert "edge/1" in page.text
    assert "tcp://*:443" in page.text
    assert "mode fast, connections 6" in page.text
    assert "1 d 1 h" in page.text


async def test_a_cause_is_told_once_with_its_places(house: Any, answers: dict[str, Any]) -> None:
    ill = {"ok": False, "reason": f"no room {HOSTILE}"}
    workers = [worker("edge", index, "edge.http: no room", edge_http=ill) for index in range(2)]
    answers["status"] = told(*workers, reasons=("edge/0: edge.http: no room", "edge/1: edge.http: no room"))
    page = await (await house.visitor("opal", ("", "operator"))).get("/status")
    assert "not well" in page.text
    assert "in edge.http in edge/0, edge.http in edge/1" in page.text
    assert HOSTILE not in page.text


async def test_while_the_store_is_away_the_copy_is_shown(
    house: Any, answers: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = await house.visitor("opal", ("", "operator"))
    await house.store.put("test", "test", "", "h1", Host(cores=2, memory_mb=100))
    await house.store.put(
        "test", "test", "demo", "shop.1.web.0", Instance(app="shop", release=1, host="h1", state="ready")
    )
    ill = Instance(app="shop", release=2, host="h1", state="failed", reason=HOSTILE)
    await house.store.put("test", "test", "demo", "shop.2.web.0", ill)
    changes = await house.store.changes(0)
    copy = Replica(house.api.ctx.home / "replica", writable=True)
    copy.apply(changes)
    page = await browser.get("/status")
    assert "embedded answers" in page.text
    assert "1 failed" in page.text

    async def away() -> int:
        raise UnavailableError("The store is away.")

    monkeypatch.setattr(house.store, "last_change", away)
    page = await browser.get("/status")
    assert page.status_code == 200
    assert "The store does not answer" in page.text
    assert "1 ready" in page.text
    assert 'href="/tenants/demo/apps/shop"' in page.text
    assert HOSTILE not in page.text
    copy.close()


async def test_without_a_supervisor_the_rest_is_shown(house: Any, answers: dict[str, Any]) -> None:
    answers.clear()
    page = await (await house.visitor("opal", ("", "operator"))).get("/status")
    assert page.status_code == 200
    assert "does not answer: It is away." in page.text


@pytest.mark.parametrize("role", ["owner", "viewer", "billing"])
async def test_a_tenants_people_see_nothing_of_the_host(house: Any, answers: dict[str, Any], role: str) -> None:
    browser = await house.visitor("ada", ("demo", role))
    assert (await browser.get("/status")).status_code in {403, 404}
    assert 'href="/status"' not in (await browser.get("/")).text


async def test_the_page_renews_itself(house: Any, answers: dict[str, Any]) -> None:
    browser = await house.visitor("opal", ("", "operator"))
    part = await browser.get("/status?part=status", hx_request="true")
    assert part.text.lstrip().startswith("<section")
