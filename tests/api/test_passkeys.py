"""Passkeys over HTTP, from the first offer to a session, with a security key of the test's own."""

from __future__ import annotations

from typing import Any

from authenticator import Authenticator

from serai.identity.testing import PASSPHRASE

HERE = "https://console.localhost"


async def added(api: Any, cookie: str, device: Authenticator) -> int:
    offer = await api.front("POST", "/v1/me/passkeys", {"password": PASSPHRASE}, cookie=cookie, origin=HERE)
    assert offer.status_code == 201, offer.text
    told = offer.json()
    body = {"ticket": told["ticket"], "answer": device.create(told["options"]), "title": "key"}
    return int((await api.front("POST", "/v1/me/passkeys/answer", body, cookie=cookie, origin=HERE)).status_code)


async def signs_in(api: Any, device: Authenticator, login: str = "ada", **more: Any) -> Any:
    asked = (await api.front("POST", "/v1/sessions/passkey", origin=HERE)).json()
    body = {"ticket": asked["ticket"], "answer": device.get(asked["options"], login, **more)}
    return await api.front("POST", "/v1/sessions/passkey/answer", body, origin=HERE)


async def test_a_passkey_is_added_signs_in_and_is_removed(api: Any) -> None:
    await api.person("ada", ("demo", "viewer"))
    cookie, device = await api.signed_in(), Authenticator("console.localhost", HERE)
    assert await added(api, cookie, device) == 204
    answer = await signs_in(api, device)
    assert answer.status_code == 201, answer.text
    strong = api.cookies(answer)
    assert (await api.front("GET", "/v1/me", cookie=strong)).json()["factors"] == ["password", "passkey key"]
    sessions = (await api.front("GET", "/v1/sessions", cookie=strong)).json()["items"]
    assert [one["strong"] for one in sessions if one["current"]] == [True]
    [key] = (await api.front("GET", "/v1/me/passkeys", cookie=strong)).json()["items"]
    assert (key.keys(), key["title"]) == ({"id", "title", "added"}, "key")
    gone = await api.front("DELETE", f"/v1/me/passkeys/{key['id']}", cookie=strong, origin=HERE)
    assert gone.status_code == 204
    assert (await signs_in(api, device)).status_code == 403


async def test_a_shown_passkey_can_not_be_shown_again_or_for_another(api: Any) -> None:
    await api.person("ada", ("demo", "viewer"))
    await api.person("eve", ("demo", "owner"))
    device = Authenticator("console.localhost", HERE)
    assert await added(api, await api.signed_in(), device) == 204
    asked = (await api.front("POST", "/v1/sessions/passkey", origin=HERE)).json()
    body = {"ticket": asked["ticket"], "answer": device.get(asked["options"], "ada")}
    statuses = []
    for _ in range(3):
        statuses.append((await api.front("POST", "/v1/sessions/passkey/answer", body, origin=HERE)).status_code)
        del api.desk.passkeys  # as a new process would begin
    assert statuses == [201, 403, 403], "the same answer opens once"
    assert (await signs_in(api, device, "eve")).status_code == 403
    assert (await signs_in(api, device, "nobody")).status_code == 403
    assert (await signs_in(api, device, origin="https://evil.test")).status_code == 403
    assert (await signs_in(api, device, verified=False)).status_code == 403
    await api.call("PATCH", "/v1/user/-/ada", {"disabled": True})
    assert (await signs_in(api, device)).status_code == 403


async def test_a_stolen_session_adds_no_passkey(api: Any) -> None:
    await api.person("ada", ("demo", "viewer"))
    cookie = await api.signed_in()
    for body in ({"password": "guessed"}, {"password": ""}):
        answer = await api.front("POST", "/v1/me/passkeys", body, cookie=cookie, origin=HERE)
        assert answer.status_code == 403


async def test_no_answer_is_a_page(api: Any) -> None:
    for path in ("/v1/about", "/v1/me", "/nowhere"):
        answer = await api.front("GET", path)
        assert answer.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-type"].startswith(("application/json", "application/problem+json"))
