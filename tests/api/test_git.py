"""Deploying from a repository by the API: what is refused leaves nothing, tokens come out of no entrance."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from serai.errors import ConflictError, InvalidError, NotFoundError
from serai.identity import Grant, Principal
from serai.identity.seal import create_key, is_sealed, open_keyring
from serai.services.apps import removal, trash
from serai.services.apps.addresses import Site
from serai.services.apps.descriptors import App, Release
from serai.services.apps.git.source import Source
from serai.services.apps.git.token import GitToken
from serai.tasks import Filter, Tasks

SHOP = "/v1/apps/mine/shop"
URL = "https://1.1.1.1/shop.git"
TOKEN = {"host": "git.example.org", "token": "s3cret"}
KIND = "/v1/gittoken/mine/shop"


async def test_a_repository_becomes_a_release_and_its_tasks_in_one_change(mine: Any) -> None:
    before = await mine.store.last_change()
    told = await mine.call("POST", f"{SHOP}/deploy", {"git": {"url": URL, "ref": "v1", "folder": "site"}})
    tasks = [await Tasks(mine.store).get(task) for task in told["tasks"]]
    functions = ["apps.fetch", "apps.build", "apps.start", "apps.check", "apps.switch", "apps.drain", "apps.stop"]
    assert [task.function for task in tasks] == functions
    assert {task.channel for task in tasks[:-1]} == {"app:mine/shop"}
    release = (await mine.store.get(Release, "mine", "shop.1")).spec
    assert (release.blob, release.git) == ("", Source(url=URL, ref="v1", folder="site"))
    assert await mine.store.last_change() == before + 2, "the app and the release"
    only = await mine.call("POST", f"{SHOP}/deploy", {"git": {"url": URL}, "environment": None})
    assert [(await Tasks(mine.store).get(task)).function for task in only["tasks"]] == functions[:2]


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"git": {"url": "file:///etc/passwd"}}, "git.url"),
        ({"git": {"url": "/etc"}}, "git.url"),
        ({"git": {"url": "ext::sh -c id"}}, "git.url"),
        ({"git": {"url": "git://git.example.org/x"}}, "git.url"),
        ({"git": {"url": "ssh://git.example.org/x"}}, "git.url"),
        ({"git": {"url": "--upload-pack=id"}}, "git.url"),
        ({"git": {"url": "https://me:s3cret@1.1.1.1/x"}}, "git.url"),
        ({"git": {"url": "https://127.0.0.1/x"}}, "git.url"),
        ({"git": {"url": "https://localhost/x"}}, "git.url"),
        ({"git": {"url": "https://169.254.169.254/latest/"}}, "git.url"),
        ({"git": {"url": "https://[::1]/x"}}, "git.url"),
        ({"git": {"url": "https://[::ffff:10.0.0.1]/x"}}, "git.url"),
        ({"git": {"url": "https://[fe80::1]/x"}}, "git.url"),
        ({"git": {"url": "https://100.100.100.200/x"}}, "git.url"),
        ({"git": {"url": "https://1.1.1.1:22/x"}}, "git.url"),
        ({"git": {"url": "https://" + "x" * 3000}}, "git.url"),
        ({"git": {"url": URL, "ref": "--output=/etc/passwd"}}, "git.ref"),
        ({"git": {"url": URL, "ref": "a:b"}}, "git.ref"),
        ({"git": {"url": URL, "folder": "../x"}}, "git.folder"),
        ({"git": {"url": URL, "depth": 1}}, ""),
        ({"git": {"url": URL}, "blob": "0" * 64}, "blob"),
        ({"git": {"url": [URL]}}, "git.url"),
        ({"git": URL}, "git"),
        ({}, "blob"),
    ],
)
async def test_what_is_no_repository_of_the_internet_leaves_nothing(mine: Any, body: Any, path: str) -> None:
    before = await mine.store.last_change()
    with pytest.raises(InvalidError) as caught:
        await mine.call("POST", "/v1/apps/mine/new/deploy", body)
    assert path in str(caught.value.fields.get("path", ""))
    assert "s3cret" not in json.dumps([caught.value.public, caught.value.fields])
    assert await mine.store.last_change() == before
    assert await Tasks(mine.store).find(Filter()) == []
    audit = await mine.raw(b"GET /v1/audit/refusals HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
    assert b"s3cret" not in audit


async def test_a_network_that_the_operator_names_is_no_reason_to_refuse(mine: Any) -> None:
    mine.ctx.private_networks = ("10.1.0.0/16",)
    assert await mine.call("POST", f"{SHOP}/deploy", {"git": {"url": "https://10.1.2.3:3000/x"}})
    with pytest.raises(InvalidError):
        await mine.call("POST", f"{SHOP}/deploy", {"git": {"url": "https://10.2.2.3:3000/x"}})


async def everything(api: Any) -> bytes:
    ways = (KIND, f"{KIND}/history", f"{KIND}/diff?old=1&new=2", "/v1/gittoken?tenant=mine", f"{SHOP}/git", SHOP)
    ways += ("/v1/changes?tenant=mine&end=true", "/v1/export?tenant=mine", "/v1/audit/changes?tenant=mine")
    requests = (f"GET {way} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".encode() for way in ways)
    return b"".join([await api.raw(request) for request in requests])


async def test_a_token_is_sealed_and_comes_out_of_no_entrance(mine: Any) -> None:
    assert await mine.call("PUT", f"{SHOP}/git", TOKEN) == {"host": "git.example.org", "username": "git"}
    await mine.call("PUT", KIND, {**TOKEN, "token": "n3wer"})
    stored = (await mine.store.get(GitToken, "mine", "shop")).spec
    assert is_sealed(stored.token)
    opened = stored.opened(mine.desk.keyring, "mine", "shop")
    assert opened is not None
    assert opened.password == "n3wer"
    told = await everything(mine)
    assert b"git.example.org" in told
    assert b"s3cret" not in told
    assert b"n3wer" not in told
    await mine.call("DELETE", f"{SHOP}/git")
    with pytest.raises(NotFoundError):
        await mine.call("GET", f"{SHOP}/git")


async def test_a_token_can_not_be_pointed_to_another_host_or_app(mine: Any) -> None:
    await mine.store.put("user:x", "test", "mine", "blog", App())
    await mine.call("PUT", f"{SHOP}/git", TOKEN)
    spec = (await mine.call("GET", KIND))["spec"]
    assert (await mine.call("PUT", KIND, spec))["version"], "what was read can be written back"
    with pytest.raises(InvalidError):
        await mine.call("PATCH", KIND, {"host": "evil.example.org"})
    with pytest.raises(InvalidError):
        await mine.call("PUT", "/v1/gittoken/mine/blog", spec)
    with pytest.raises(InvalidError):
        await mine.call("POST", "/v1/apply", {"items": [{"kind": "gittoken", "name": "none", "spec": TOKEN}]},
                        query={"tenant": "mine"})  # fmt: skip


@pytest.mark.parametrize(
    "wrong",
    [{"host": ""}, {"host": "a b"}, {"host": "https://x/"}, {"host": "x:0"}, {"token": ""}, {"token": "a\nb"},
     {"token": "x" * 5000}, {"token": "é"}, {"username": ""}, {"username": "a\nhost=evil"}, {"more": 1}],
)  # fmt: skip
async def test_a_token_that_no_server_could_be_shown_is_refused(mine: Any, wrong: Any) -> None:
    before = await mine.store.last_change()
    for path in (f"{SHOP}/git", *([KIND] if "more" not in wrong else [])):
        with pytest.raises(InvalidError):
            await mine.call("PUT", path, {**TOKEN, **wrong})
    with pytest.raises(NotFoundError):
        await mine.call("PUT", "/v1/apps/mine/absent/git", TOKEN)
    assert await mine.store.last_change() == before


async def test_a_token_goes_with_its_app_and_comes_back_with_it(mine: Any) -> None:
    await mine.call("PUT", f"{SHOP}/git", TOKEN)
    site = Site("test", "localhost")
    await removal.delete_app(mine.store, site, "user:x", "mine", "shop", confirm="shop")
    with pytest.raises(NotFoundError):
        await mine.store.get(GitToken, "mine", "shop")
    await trash.undelete(mine.store, site, "user:x", "mine", "shop")
    opened = (await mine.store.get(GitToken, "mine", "shop")).spec.opened(mine.desk.keyring, "mine", "shop")
    assert opened is not None
    assert opened.password == "s3cret"


async def test_text_carries_a_token_sealed_and_takes_it_away_with_its_app(mine: Any) -> None:
    await mine.call("PUT", f"{SHOP}/git", TOKEN)
    query = {"tenant": "mine"}
    items = (await mine.call("GET", "/v1/export", query=query))["items"]
    assert (await mine.call("POST", "/v1/apply", {"items": items}, query=query))["steps"] == []
    rest = [one for one in items if one["kind"] not in {"app", "gittoken"}]
    gone = {"items": rest, "prune": True, "confirm": "mine"}
    assert await mine.call("POST", "/v1/apply", gone, query=query)
    for kind in (App, GitToken):
        with pytest.raises(NotFoundError):
            await mine.store.get(kind, "mine", "shop")


async def test_a_new_key_seals_tokens_anew(mine: Any, tmp_path: Path) -> None:
    path = tmp_path / "secrets.key"
    create_key(path)
    mine.desk.keyring.path = path
    mine.desk.keyring.renew()
    await mine.call("PUT", f"{SHOP}/git", TOKEN)
    assert (await mine.call("POST", "/v1/keys/rotate"))["sealed"] == 1
    path.write_text(path.read_text().splitlines()[0])
    opened = (await mine.store.get(GitToken, "mine", "shop")).spec.opened(open_keyring(path), "mine", "shop")
    assert opened is not None
    assert opened.password == "s3cret"


async def test_two_writers_of_one_deployment_both_get_a_release(mine: Any) -> None:
    body = {"git": {"url": URL}}
    first, second = await mine.call("POST", f"{SHOP}/deploy", body), await mine.call("POST", f"{SHOP}/deploy", body)
    assert (first["release"], second["release"]) == (1, 2)
    with pytest.raises(ConflictError):
        await mine.call("DELETE", f"{SHOP}/releases/1")
    with pytest.raises(ConflictError):
        await mine.call("POST", f"{SHOP}/promote", {"release": 1})


async def test_who_may_deploy_but_not_read_secrets_may_not_give_a_token(
    mine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    viewer = Principal(kind="user", name="ada", grants=(Grant("viewer", "mine"),))
    monkeypatch.setattr("serai.api.entrance.local_principal", lambda _peer, _owner: viewer)
    for method, body in (("GET", None), ("PUT", TOKEN), ("DELETE", None)):
        answer = await mine.raw(
            f"{method} {SHOP}/git HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 0\r\n\r\n".encode()
        )
        assert answer.startswith(b"HTTP/1.1 403"), (method, body, answer[:60])


@pytest.fixture
async def mine(api: Any) -> Any:
    """The API with a tenant and an app."""
    await api.call("POST", "/v1/tenants", {"name": "mine"})
    await api.store.put("user:x", "test", "mine", "shop", App(host="test"))
    return api
