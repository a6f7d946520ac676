"""Descriptors over the real socket: read, write, conditions, history."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from serai.errors import ConflictError, InvalidError, NotFoundError

TENANT = {"uid": 1, "title": "A shop"}
ROUTE = "demo.localhost/hello/1/"


async def test_a_descriptor_can_be_written_read_changed_and_deleted(api: Any) -> None:
    written = await api.call("PUT", "/v1/tenant/demo/demo", TENANT)
    assert (written["version"], written["spec"]["title"]) == (1, "A shop")
    patched = await api.call("PATCH", "/v1/tenant/demo/demo", {"title": "Another"})
    assert (patched["version"], patched["spec"]["title"], patched["spec"]["uid"]) == (2, "Another", 1)
    assert await api.call("GET", "/v1/tenant/demo/demo") == patched
    await api.call("DELETE", "/v1/tenant/demo/demo", query={"confirm": "demo"})
    with pytest.raises(NotFoundError):
        await api.call("GET", "/v1/tenant/demo/demo")
    lines = (await api.call("GET", "/v1/tenant/demo/demo/history"))["items"]
    assert [line["deleted"] for line in lines] == [True, False, False]
    assert {line["who"] for line in lines} == {"user:root"}


async def test_what_never_was_has_no_history(api: Any) -> None:
    await api.call("PUT", "/v1/tenant/demo/demo", TENANT)
    for path in ("/v1/app/demo/hello", "/v1/tenant/0.5/demo", "/v1/tenant/other/other"):
        with pytest.raises(NotFoundError):
            await api.call("GET", f"{path}/history")


async def test_a_name_may_hold_slashes(api: Any) -> None:
    spec = {"tenant": "demo", "app": "hello", "release": 1}
    path = "/v1/route/-/demo.localhost%2Fhello%2F1%2F"
    assert (await api.call("PUT", path, spec))["name"] == ROUTE
    assert (await api.run(api.client.get, "route", "", ROUTE))["spec"]["app"] == "hello"
    assert (await api.call("GET", f"{path}/history"))["items"][0]["version"] == 1


async def test_a_write_over_another_version_is_a_conflict_and_changes_nothing(api: Any) -> None:
    await api.call("PUT", "/v1/tenant/demo/demo", TENANT)
    await api.call("PUT", "/v1/tenant/demo/demo", TENANT | {"title": "2"}, headers={"if-match": '"1"'})
    for headers in ({"if-match": '"1"'}, {"if-none-match": "*"}):
        with pytest.raises(ConflictError):
            await api.call("PUT", "/v1/tenant/demo/demo", TENANT | {"title": "3"}, headers=headers)
    with pytest.raises(ConflictError):
        await api.call("PATCH", "/v1/tenant/demo/demo", {"title": "3"}, headers={"if-match": '"1"'})
    assert (await api.call("GET", "/v1/tenant/demo/demo"))["spec"]["title"] == "2"


async def test_two_writers_on_one_version_have_one_winner(api: Any) -> None:
    await api.call("PUT", "/v1/tenant/demo/demo", TENANT)
    results = await asyncio.gather(
        *(
            api.call("PUT", "/v1/tenant/demo/demo", TENANT | {"title": str(n)}, headers={"if-match": '"1"'})
            for n in range(8)
        ),
        return_exceptions=True,
    )
    assert sum(isinstance(result, dict) for result in results) == 1
    assert sum(isinstance(result, ConflictError) for result in results) == 7


async def test_an_old_version_can_be_compared_and_restored(api: Any) -> None:
    await api.call("PUT", "/v1/tenant/demo/demo", TENANT)
    await api.call("PATCH", "/v1/tenant/demo/demo", {"title": "2"}, query={"why": "a new name"})
    changed = await api.call("GET", "/v1/tenant/demo/demo/diff", query={"old": 1, "new": 2})
    assert changed["fields"] == {"title": ["A shop", "2"]}
    await api.call("POST", "/v1/tenant/demo/demo/restore", query={"version": 1})
    now = await api.call("GET", "/v1/tenant/demo/demo")
    assert (now["version"], now["spec"]["title"]) == (3, "A shop")
    assert (await api.call("GET", "/v1/tenant/demo/demo/history"))["items"][1]["why"] == "a new name"


async def test_a_list_comes_in_pages_without_gaps(api: Any) -> None:
    names = [f"t{n:03}" for n in range(25)]
    for n, name in enumerate(names):
        await api.call("PUT", f"/v1/tenant/{name}/{name}", {"uid": n + 1})
    items = await api.run(lambda: list(api.client.pages("/v1/tenant", {"limit": 7})))
    assert [item["name"] for item in items] == names
    assert [item["name"] for item in (await api.call("GET", "/v1/tenant", query={"tenant": "t007"}))["items"]] == [
        "t007"
    ]


async def test_a_delete_needs_the_name_again(api: Any) -> None:
    await api.call("PUT", "/v1/tenant/demo/demo", TENANT)
    with pytest.raises(InvalidError, match="Repeat the name"):
        await api.call("DELETE", "/v1/tenant/demo/demo")
    assert (await api.call("GET", "/v1/tenant/demo/demo"))["version"] == 1


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        ({"uid": "one"}, "$.uid"),
        ({"uid": 1, "colour": "red"}, "$.colour"),
        ({"title": "no uid"}, "$"),
        ([1, 2], "$"),
        ("text", "$"),
        (None, "$"),
    ],
)
async def test_a_spec_that_does_not_fit_is_refused_with_its_path(api: Any, spec: Any, path: str) -> None:
    with pytest.raises(InvalidError) as caught:
        await api.call("PUT", "/v1/tenant/demo/demo", spec)
    assert caught.value.fields["path"] == path
    assert await api.store.last_change() == 0


async def test_a_tenant_lives_under_its_own_name(api: Any) -> None:
    with pytest.raises(InvalidError):
        await api.call("PUT", "/v1/tenant/other/demo", TENANT)
    with pytest.raises(NotFoundError):
        await api.call("GET", "/v1/colour/demo/demo")
