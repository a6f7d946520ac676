"""Accounts as operators look after them: disabled, deleted, reset, signed out; roles; a new sealing key."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from serai.errors import AlreadyExistsError, DeniedError, InvalidError, NotFoundError, UnsupportedError
from serai.identity.descriptors import Tenant
from serai.identity.people import Credentials, Member, Secrets, Session, Token
from serai.identity.seal import create_key, open_keyring
from serai.identity.testing import PASSPHRASE

HERE = "https://console.localhost"
NEWER = "another long sentence"


async def token(api: Any, cookie: str, tenant: str = "", **scope: Any) -> str:
    """Make a token by a session; return what a request says with it."""
    path, body = (f"/v1/tokens/{tenant}", {"name": "ci", **scope}) if tenant else ("/v1/me/tokens", scope)
    answer = await api.front("POST", path, body, cookie=cookie, origin=HERE)
    assert answer.status_code == 201, answer.text
    return f"Bearer {answer.json()['token']}"


async def me(api: Any, **headers: str) -> int:
    return int((await api.front("GET", "/v1/me", **headers)).status_code)


async def test_what_changes_about_somebody_counts_with_the_very_next_request(api: Any) -> None:
    await api.store.put("user:root", "test", "demo", "demo", Tenant(uid=1))
    await api.person("ada", ("demo", "owner"))
    cookie = await api.signed_in()
    bearer = await token(api, cookie)

    async def may(path: str = "/v1/app?tenant=demo") -> set[int]:
        return {
            (await api.front("GET", path, cookie=cookie)).status_code,
            (await api.front("GET", path, authorization=bearer)).status_code,
        }

    assert await may() == {200}
    await api.call("PUT", "/v1/member/demo/ada", {"role": "billing"})
    assert await may() == {403}
    await api.call("PUT", "/v1/role/demo/looker", {"actions": ["app.read"]})
    await api.call("PUT", "/v1/member/demo/ada", {"role": "looker"})
    assert await may() == {200}
    await api.call("PUT", "/v1/role/demo/looker", {"actions": ["app.logs"]})
    assert await may() == {403}
    await api.call("DELETE", "/v1/member/demo/ada", query={"confirm": "ada"})
    assert await may() == {404}
    await api.call("PUT", "/v1/member/demo/ada", {"role": "viewer"})
    assert await may() == {200}
    await api.call("PATCH", "/v1/user/-/ada", {"disabled": True})
    assert await may() == {401}
    assert list(api.desk.directory.sessions("ada")) == []
    await api.call("PATCH", "/v1/user/-/ada", {"disabled": False})
    assert await may() == {200, 401}, "the token holds again, the session has ended for good"


async def test_a_deleted_user_leaves_nothing_to_the_next_of_that_name(api: Any) -> None:
    await api.person("ada", ("demo", "owner"), ("", "viewer"))
    cookie = await api.signed_in()
    bearers = [await token(api, cookie), await token(api, cookie, "demo")]
    assert await me(api, authorization=bearers[0]) == 200
    with pytest.raises(InvalidError):
        await api.call("DELETE", "/v1/user/-/ada")
    before = await api.store.last_change()
    await api.call("POST", "/v1/users/ada/reset", {})
    await api.call("DELETE", "/v1/user/-/ada", query={"confirm": "ada"})
    for kind in (Member, Session, Token, Credentials):
        assert await api.store.find(kind) == [], kind
    assert await api.store.last_change() > before
    await api.person("ada")
    for bearer in bearers:
        assert await me(api, authorization=bearer) == 401
    assert await me(api, cookie=cookie) == 401
    assert (await api.call("GET", "/v1/users/ada"))["members"] == []


async def test_a_deleted_tenant_leaves_nothing_and_its_name_is_not_given_again(api: Any) -> None:
    await api.call("POST", "/v1/tenants", {"name": "demo"})
    await api.person("ada", ("demo", "owner"))
    cookie = await api.signed_in()
    bearer = await token(api, cookie, "demo")
    body = {"email": "bob@example.test", "role": "owner"}
    invited = (await api.front("POST", "/v1/invitations/demo", body, cookie=cookie, origin=HERE)).json()["secret"]
    await api.call("PUT", "/v1/role/demo/mine", {"actions": ["app.read"]})
    await api.call("DELETE", "/v1/tenant/demo/demo", query={"confirm": "demo"})
    for path, body in (
        ("/v1/tenants", {"name": "demo"}),
        ("/v1/apply?tenant=demo", {"items": [{"kind": "tenant", "name": "demo", "spec": {}}]}),
    ):
        with pytest.raises(AlreadyExistsError, match="not given twice"):
            await api.call("POST", path, body)
    with pytest.raises(AlreadyExistsError, match="not given twice"):
        await api.call("PUT", "/v1/tenant/demo/demo", {"uid": 9})
    assert (await api.front("GET", "/v1/app?tenant=demo", cookie=cookie)).status_code == 404
    assert await me(api, authorization=bearer) == 401
    taken = await api.front("POST", "/v1/join", {"secret": invited, "login": "bob", "password": PASSPHRASE})
    assert taken.status_code == 404
    assert [one["name"] for one in (await api.call("GET", "/v1/roles/demo"))["items"] if not one["built_in"]] == []
    await api.call("POST", "/v1/tenants/demo/undelete", {})
    assert (await api.front("GET", "/v1/app?tenant=demo", cookie=cookie)).status_code == 200, "her role came back"
    assert await me(api, authorization=bearer) == 401, "what proves who somebody is did not"
    taken = await api.front("POST", "/v1/join", {"secret": invited, "login": "bob", "password": PASSPHRASE})
    assert taken.status_code == 404
    assert [one["name"] for one in (await api.call("GET", "/v1/roles/demo"))["items"] if not one["built_in"]] == [
        "mine"
    ]


async def test_a_reset_ends_password_and_sessions_and_opens_once(api: Any) -> None:
    await api.person("ada")
    held, version = await api.desk.vault.read("ada")
    await api.desk.vault.write("user:x", "test", "ada", msgspec.structs.replace(held, totp="A" * 16), version)
    opened = await api.call("POST", "/v1/users/ada/reset", {})
    assert opened["link"] == f"https://console.localhost/reset#{opened['secret']}"
    sign_in = {"login": "ada", "password": PASSPHRASE}
    assert (await api.front("POST", "/v1/sessions", sign_in)).status_code == 403
    forged = opened["secret"][:-4] + "AAAA"
    for secret, password, status in (
        (forged, NEWER, 404),
        ("serai_-_eve_x", NEWER, 404),
        ("x" * 300, NEWER, 404),
        (opened["secret"], "short", 400),
        (opened["secret"], NEWER, 201),
        (opened["secret"], NEWER, 404),
    ):
        answer = await api.front("POST", "/v1/reset", {"secret": secret, "password": password})
        assert answer.status_code == status, (secret, answer.text)
    answer = await api.front("POST", "/v1/sessions", {"login": "ada", "password": NEWER})
    assert answer.json()["fields"]["need"] == "code", "a reset alone takes no second factor away"
    opened = await api.call("POST", "/v1/users/ada/reset", {"factors": True})
    await api.front("POST", "/v1/reset", {"secret": opened["secret"], "password": PASSPHRASE})
    assert (await api.front("POST", "/v1/sessions", sign_in)).status_code == 201
    with pytest.raises(NotFoundError):
        await api.call("POST", "/v1/users/nobody/reset", {})


async def test_a_reset_of_a_disabled_user_or_after_a_day_opens_nothing(api: Any) -> None:
    await api.person("ada")
    opened = await api.call("POST", "/v1/users/ada/reset", {})
    body = {"secret": opened["secret"], "password": NEWER}
    await api.call("PATCH", "/v1/user/-/ada", {"disabled": True})
    assert (await api.front("POST", "/v1/reset", body)).status_code == 404
    await api.call("PATCH", "/v1/user/-/ada", {"disabled": False})
    now = api.ctx.clock.now
    api.ctx.clock.now = lambda: now() + 86_401
    assert (await api.front("POST", "/v1/reset", body)).status_code == 404
    api.ctx.clock.now = now
    assert (await api.front("POST", "/v1/reset", body)).status_code == 201


async def test_who_looks_after_users_gets_no_power_over_those_who_may_more(api: Any) -> None:
    await api.call("PUT", "/v1/role/-/helpdesk", {"actions": ["user.*", "token.*"]})
    await api.person("hal", ("", "helpdesk"))
    await api.person("ada", ("", "operator"))
    await api.person("bob")
    cookie = await api.signed_in("hal")

    async def post(path: str, body: Any) -> int:
        return int((await api.front("POST", path, body, cookie=cookie, origin=HERE)).status_code)

    assert await post("/v1/users/bob/reset", {}) == 201
    assert await post("/v1/users/ada/reset", {}) == 403
    assert await post("/v1/tokens/-", {"name": "a", "user": "bob"}) == 201
    assert await post("/v1/tokens/-", {"name": "b", "user": "ada"}) == 403
    for method, path, body in (
        ("PATCH", "/v1/user/-/ada", {"disabled": True}),
        ("PUT", "/v1/user/-/ada", {"email": "hal@example.test"}),
        ("POST", "/v1/user/-/ada/restore?version=1", None),
        ("DELETE", "/v1/user/-/ada?confirm=ada", None),
    ):
        answer = await api.front(method, path, body, cookie=cookie, origin=HERE)
        assert answer.status_code == 403, (method, path)
    assert (await api.front("PATCH", "/v1/user/-/bob", {"title": "B"}, cookie=cookie, origin=HERE)).status_code == 200
    bearer = await token(api, cookie)
    answer = await api.front("POST", "/v1/tokens/-", {"name": "c", "user": "bob"}, authorization=bearer)
    assert answer.status_code == 403, "a token makes no tokens for others"
    with pytest.raises(InvalidError):
        await api.call("POST", "/v1/tokens/-", {"name": "d", "user": "nobody"})
    with pytest.raises(DeniedError):
        await api.call("POST", "/v1/tokens/-", {"name": "e"})


async def test_one_ends_ones_own_tokens_and_sessions_and_no_others(api: Any) -> None:
    await api.person("ada", ("demo", "owner"))
    await api.person("bob", ("demo", "owner"))
    cookie, other = await api.signed_in(), await api.signed_in("bob")
    mine, narrow, theirs = [
        await token(api, cookie),
        await token(api, cookie, actions=["app.read"]),
        await token(api, other),
    ]
    [alien] = {one["name"] for one in (await api.front("GET", "/v1/me/tokens", authorization=theirs)).json()["items"]}
    assert (await api.front("POST", "/v1/me/tokens", {}, authorization=mine)).status_code == 404
    assert (await api.front("POST", "/v1/me/tokens", {"tenant": "x"}, cookie=cookie, origin=HERE)).status_code == 404
    for name in (alien, "missing"):
        assert (await api.front("DELETE", f"/v1/me/tokens/-/{name}", authorization=mine)).status_code == 404
    name = mine.split("_")[2]
    assert (await api.front("DELETE", f"/v1/me/tokens/-/{name}", authorization=narrow)).status_code == 403
    session = cookie.partition("=")[2].partition(".")[0]
    assert (await api.front("DELETE", f"/v1/sessions/{session}", authorization=narrow)).status_code == 403
    assert (await api.front("DELETE", f"/v1/sessions/{session}", authorization=theirs)).status_code == 404
    assert (await api.front("DELETE", f"/v1/sessions/{session}", authorization=mine)).status_code == 204
    assert await me(api, cookie=cookie) == 401
    assert (await api.front("DELETE", "/v1/me/token", authorization=narrow)).status_code == 204
    assert [await me(api, authorization=one) for one in (mine, narrow, theirs)] == [200, 401, 200]
    assert (await api.front("DELETE", "/v1/me/token", cookie=other, origin=HERE)).status_code == 400


async def test_an_operator_sees_and_ends_sessions(api: Any) -> None:
    await api.person("ada", ("demo", "owner"))
    one, other = await api.signed_in(), await api.signed_in()
    told = await api.call("GET", "/v1/users/ada")
    assert (told["factors"], told["sessions"], told["members"]) == (
        ["password"],
        2,
        [{"tenant": "demo", "app": "", "role": "owner"}],
    )
    listed = (await api.call("GET", "/v1/users/ada/sessions"))["items"]
    name = one.partition("=")[2].partition(".")[0]
    assert name in {session["name"] for session in listed}
    await api.call("DELETE", "/v1/users/ada/sessions", query={"session": name})
    assert [await me(api, cookie=one), await me(api, cookie=other)] == [401, 200]
    await api.call("DELETE", "/v1/users/ada/sessions")
    await api.call("DELETE", "/v1/users/ada/sessions")
    assert await me(api, cookie=other) == 401
    with pytest.raises(NotFoundError):
        await api.call("GET", "/v1/users/nobody")


async def test_a_new_key_seals_everything_anew_and_nobody_notices(api: Any, tmp_path: Any) -> None:
    with pytest.raises(UnsupportedError):
        await api.call("POST", "/v1/keys/rotate")
    path = tmp_path / "secrets.key"
    create_key(path)
    ring = open_keyring(path)
    vars(api.desk.keyring).update(vars(ring))
    await api.person("ada")
    await api.person("bob")
    another = open_keyring(path)  # of a process that was there before
    assert await api.call("POST", "/v1/keys/rotate") == {"sealed": 2}
    assert len(path.read_text().splitlines()) == 2
    for record in await api.store.find(Credentials):
        assert not api.desk.keyring.stale(record.spec.sealed)
        assert "password" in another.unseal(record.spec.sealed, f"credentials/{record.name}")
    assert await api.signed_in()


def test_what_is_told_of_factors_shows_none() -> None:
    held = Secrets(password="hash", totp="secret", recovery=("digest",))
    assert held.factors() == ["password", "totp", "1 recovery codes"]
