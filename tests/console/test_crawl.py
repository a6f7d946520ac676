"""Every page, as everybody: no link that leads nowhere, no script or style in a page, no mistake of ours."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest
from browsing import Browser, links, unclean

from serai.identity.people import Token
from serai.identity.principals import Scope
from serai.services.apps.descriptors import App
from serai.store.contract import NewTask
from serai.tasks import Tasks

MOST = 400  # pages
FINE = {200, 303}
ELSEWHERE = ("/v1/", "/assets/", "/push")  # what is not the console's own


@pytest.fixture
async def town(house: Any) -> Any:
    """A platform with something of everything that pages show."""
    for name in ("acme", "other"):
        await house.api.call("POST", "/v1/tenants", {"name": name, "title": f"{name} & sons"})
    for number in range(60):
        await house.store.put("user:root", "test", "acme", f"app{number}", App(host="test"))
    tasks = Tasks(house.store, house.api.ctx.bus)
    for number in range(3):
        await tasks.add("user:root", NewTask(function="acme.work", tenant="acme", app=f"app{number}"))
    token = Token(user="ada", digest="0" * 64, created=1.0, scope=Scope())
    await house.store.put("user:root", "test", "acme", "deploys", token)
    return house


@pytest.mark.parametrize(
    ("login", "tenant", "role"),
    [
        ("opal", "", "operator"),
        ("ada", "acme", "owner"),
        ("dev", "acme", "developer"),
        ("vic", "acme", "viewer"),
        ("bill", "acme", "billing"),
        ("nob", "other", "viewer"),
    ],
)
async def test_all_that_a_page_leads_to_is_there_and_clean(town: Any, login: str, tenant: str, role: str) -> None:
    browser = await town.visitor(login, (tenant, role))
    assert await crawl(browser, "/") == []
    await town.api.desk.audit.flush()
    refused = (await town.api.call("GET", "/v1/audit/refusals"))["items"]
    assert [one["action"] for one in refused] == [], "pages don't ask for what their visitor may not see"


async def test_nobody_sees_more_than_the_way_in(town: Any) -> None:
    browser = town.browser()
    for path in ("/sign-in", "/join", "/reset"):
        page = await browser.get(path)
        assert page.status_code == 200
        assert unclean(page.text) == []
    for path in ("/", "/tenants/acme", "/tasks"):
        assert (await browser.get(path)).status_code in {401, 404}


async def crawl(browser: Browser, begin: str) -> list[str]:
    """Follow all links from a page, as far as `MOST`; return what is wrong."""
    waiting, seen, faults = [begin], {begin}, []
    while waiting and len(seen) <= MOST:
        path = waiting.pop(0)
        page = await browser.get(path)
        if page.status_code not in FINE:
            faults.append(f"{path}: {page.status_code}")
        elif page.headers.get("content-type", "").startswith("text/html"):
            faults += [f"{path}: {fault}" for fault in unclean(page.text)]
            fresh = {link for link in links(page.text) if not urlsplit(link).path.startswith(ELSEWHERE)} - seen
            seen |= fresh
            waiting += sorted(fresh)
    return faults
