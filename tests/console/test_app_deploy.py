"""Deployments from pages: an archive in a form, what a script uploaded, a repository."""

from __future__ import annotations

import io
import tarfile
from types import SimpleNamespace
from typing import Any

import pytest
from browsing import forms, multipart, unclean

from serai.console import streamed
from serai.services.apps.descriptors import App, Release

NEW = "/tenants/demo/deploy"
SHOP = "/tenants/demo/apps/shop/deploy"
HOSTILE = '"><script>alert(1)</script>'


def archive() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as tar:
        info = tarfile.TarInfo("index.html")
        info.size = 5
        tar.addfile(info, io.BytesIO(b"hello"))
    return file.getvalue()


async def send(browser: Any, path: str, fields: dict[str, str], *files: tuple[str, bytes]) -> Any:
    page = await browser.get(path)
    hidden = next(one for one in forms(page.text) if one.action == path).fields
    hidden.pop("file", None)
    body, media_type = multipart({**hidden, **fields}.items(), *files)
    return await browser.post(path, body, content_type=media_type)


async def test_an_archive_becomes_a_release_of_a_new_app(shop: Any) -> None:
    browser = await shop.visitor("ada", ("demo", "developer"))
    answer = await send(browser, NEW, {"app": "fresh", "title": HOSTILE, "live": "on"}, ("a.tar.gz", archive()))
    assert answer.headers["location"] == "/tenants/demo/apps/fresh/releases/1"
    page = await browser.follow(answer)
    assert "Release 1 is on its way" in page.text
    assert "<script>alert" not in page.text
    release = (await shop.store.get(Release, "demo", "fresh.1")).spec
    assert release.title == HOSTILE
    assert len(release.blob) == 64
    assert "apps.switch" in page.text


async def test_what_is_not_to_go_live_is_only_built(shop: Any) -> None:
    browser = await shop.visitor("ada", ("demo", "developer"))
    page = await browser.follow(await send(browser, SHOP, {}, ("a.tar", b"x" * 200_000)))
    assert "apps.build" in page.text
    assert "apps.switch" not in page.text
    assert (await shop.store.get(App, "demo", "shop")).spec.next_release == 5


@pytest.mark.parametrize(
    ("fields", "files", "said"),
    [
        ({"title": "kept"}, (), "Choose an archive"),
        ({"title": "kept"}, (("", b""),), "Choose an archive"),
        ({"title": "kept", "live": "on", "environment": "No Such"}, (("a.tar", b"x"),), "environment"),
        ({"title": "kept", "app": "blog"}, (("a.tar", b"x"),), "another app"),
        ({"title": "kept" * 200}, (("a.tar", b"x"),), "at most 500"),
        ({"title": "kept", "other": "1"}, (("a.tar", b"x"),), "no field other"),
        ({"title": "kept" * 9000}, (("a.tar", b"x"),), "too long"),
        ({"title": "kept\0"}, (("a.tar", b"x"),), "NUL"),
        ({"title": "kept"}, (("a.tar", b"x"), ("b.tar", b"x")), "one file"),
        ({"csrf": "not mine"}, (("a.tar", b"x"),), "another session"),
    ],
)
async def test_what_is_wrong_with_an_archives_form_is_said(
    shop: Any, fields: dict[str, str], files: Any, said: str
) -> None:
    browser = await shop.visitor("ada", ("demo", "developer"))
    answer = await send(browser, SHOP, fields, *files)
    assert 400 <= answer.status_code < 500
    assert said in answer.text
    assert (await shop.store.get(App, "demo", "shop")).spec.next_release == 4


@pytest.mark.parametrize("body", [b"", b"--x7\r\n", b"nonsense", b"--x7\r\nContent-Disposition: form-data\r\n\r\n"])
async def test_a_form_that_is_cut_off_is_refused(shop: Any, body: bytes) -> None:
    browser = await shop.visitor("ada", ("demo", "developer"))
    answer = await browser.post(SHOP, body, content_type="multipart/form-data; boundary=x7")
    assert 400 <= answer.status_code < 500
    for media_type in ("text/plain", "multipart/form-data", "multipart/form-data; boundary=<>"):
        assert (await browser.post(SHOP, body, content_type=media_type)).status_code == 400


async def test_another_sites_archive_is_refused(shop: Any) -> None:
    browser = await shop.visitor("ada", ("demo", "developer"))
    body, media_type = multipart([("app", "shop")], ("a.tar", b"x"))
    answer = await browser.post(SHOP, body, content_type=media_type, origin="https://evil.example")
    assert answer.status_code == 403


async def test_what_a_script_uploaded_is_deployed(shop: Any) -> None:
    browser = await shop.visitor("ada", ("demo", "developer"))
    page = await browser.get(SHOP)
    hidden = {"csrf": forms(page.text)[-1].fields["csrf"], "app": "shop", "title": "", "environment": "prod"}
    path = f"{SHOP}/upload"
    assert (await browser.post(path, {**hidden, "blob": "x"})).status_code == 400
    page = await browser.follow(await browser.post(path, {**hidden, "blob": "0" * 64, "live": "on"}))
    assert "Release 4 is on its way" in page.text


async def test_a_repository_is_deployed_and_a_refusal_keeps_what_was_typed(shop: Any) -> None:
    browser = await shop.visitor("ada", ("demo", "developer"))
    page = await browser.get(f"{SHOP}?from=git")
    assert unclean(page.text) == []
    form = {"git.url": "https://192.0.2.1/shop.git", "git.ref": "-x", "title": "as typed"}
    refused = await browser.submit(page, form, action=f"{SHOP}/git")
    assert refused.status_code == 400
    assert "as typed" in refused.text
    assert 'id="git.ref-fault"' in refused.text
    refused = await browser.submit(page, {"git.url": "http://git.example.org/x"}, action=f"{SHOP}/git")
    assert "is not encrypted" in refused.text
    assert (await shop.store.get(App, "demo", "shop")).spec.next_release == 4


@pytest.mark.parametrize("path", [NEW, SHOP])
async def test_who_may_not_deploy_is_refused(shop: Any, path: str) -> None:
    browser = await shop.visitor("vic", ("demo", "viewer"))
    page = await browser.get("/")
    token = next(one for one in forms(page.text) if "csrf" in one.fields).fields["csrf"]
    body, media_type = multipart([("csrf", token), ("app", "shop")], ("a.tar", b"x"))
    assert (await browser.post(path, body, content_type=media_type)).status_code == 403
    eve = await shop.visitor("eve", ("other", "owner"))
    token = next(one for one in forms((await eve.get("/")).text) if "csrf" in one.fields).fields["csrf"]
    body, media_type = multipart([("csrf", token), ("app", "shop")], ("a.tar", b"x"))
    assert (await eve.post(path, body, content_type=media_type)).status_code in {403, 404}
    assert (await shop.store.get(App, "demo", "shop")).spec.next_release == 4


@pytest.mark.parametrize(
    ("cookies", "fields"),
    [
        ({"__Host-serai": ""}, {}),
        ({}, {"csrf": "of another session"}),
        ({}, {"other": "1"}),
        ({}, {"app": "another app"}),
        ({}, {"title": "\0"}),
    ],
)
async def test_a_file_that_nobody_takes_is_read_before_the_answer(
    shop: Any, cookies: dict[str, str], fields: dict[str, str]
) -> None:
    browser = await shop.visitor("ada", ("demo", "developer"))
    token = forms((await browser.get(SHOP)).text)[-1].fields["csrf"]
    body, media_type = multipart({"csrf": token, "app": "shop", **fields}.items(), ("a.tar", b"x" * 4_000_000))
    served, answered = shop.app.asgi_handler, []

    async def serve(scope: Any, receive: Any, send: Any) -> None:
        read = 0

        async def receiving() -> Any:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            return message

        async def sending(message: Any) -> None:
            if message["type"] == "http.response.start":
                answered.append(read)
            await send(message)

        await served(scope, receiving, sending)

    shop.app.asgi_handler = serve
    browser.cookies |= cookies
    answer = await browser.post(SHOP, body, content_type=media_type)
    assert 400 <= answer.status_code < 500
    assert answered == [len(body)]


async def test_there_is_an_end_to_what_is_read_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    left = iter(range(1000))

    async def receive() -> Any:
        return {"type": "http.request", "body": b"x" * 1000, "more_body": next(left) >= 0}

    monkeypatch.setattr(streamed, "MAX_LEFT", 10_000)
    await streamed.Incoming(SimpleNamespace(receive=receive, headers={})).leave()  # type: ignore[arg-type]
    assert next(left) == 11
