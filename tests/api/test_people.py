"""People at the front door: sign-in, second factors, tokens, invitations, and what other sites' pages can't do."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest

from serai.api.entrance import DEVICE, SESSION
from serai.errors import DeniedError, InvalidError
from serai.identity import totp
from serai.identity.descriptors import Tenant
from serai.identity.people import Invitation
from serai.identity.testing import PASSPHRASE
from serai.store import Put

HERE = "https://console.localhost"
#: What only the operator gets to do, and what everybody does to themselves, need the same shape of fields.
ADA = {"login": "ada", "password": PASSPHRASE}


async def test_somebody_signs_in_looks_around_and_signs_out(api: Any) -> None:
    await api.person("ada", ("demo", "owner"))
    answer = await api.front("POST", "/v1/sessions", ADA, user_agent="Browser/1")
    lines = answer.headers.get_list("set-cookie")
    assert [line.partition("=")[0] for line in lines] == [SESSION, DEVICE]
    assert all(re.search(r"HttpOnly; .*Path=/; SameSite=lax; Secure", line) for line in lines), lines
    cookie = api.cookies(answer)
    me = (await api.front("GET", "/v1/me", cookie=cookie)).json()
    assert (me["who"], me["grants"], me["factors"]) == (
        "user:ada",
        [{"role": "owner", "tenant": "demo"}],
        ["password"],
    )
    [session] = (await api.front("GET", "/v1/sessions", cookie=cookie)).json()["items"]
    assert (session["address"], session["browser"], session["current"]) == ("192.0.2.7", "Browser/1", True)
    answer = await api.front("DELETE", "/v1/sessions/current", cookie=cookie, origin=HERE)
    assert answer.status_code == 204
    assert (await api.front("GET", "/v1/me", cookie=cookie)).status_code == 401


async def test_a_browser_at_the_usual_port_is_told_to_use_https_alone(api: Any) -> None:
    for host, told in (("console.example.test", True), ("console.localhost:8443", False)):
        answer = await api.front("GET", "/v1/me", host=host)
        assert ("strict-transport-security" in answer.headers) == told, host
    assert b"strict-transport" not in await api.raw(b"GET /v1/me HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")


async def test_the_front_takes_nobody_for_a_local_peer(api: Any) -> None:
    for headers in ({}, {"authorization": "Basic cm9vdDpyb290"}, {"cookie": f"{SESSION}=forged.forged"}):
        answer = await api.front("GET", "/v1/me", **headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"


async def test_a_token_that_does_not_hold_makes_a_local_peer_nobody(api: Any) -> None:
    with pytest.raises(DeniedError):
        await api.call("GET", "/v1/tenant", headers={"authorization": "Bearer serai_-_x_forged"})


async def test_another_sites_page_changes_nothing(api: Any) -> None:
    await api.person("ada", ("demo", "owner"))
    cookie = await api.signed_in()
    for headers in (
        {},
        {"origin": "https://evil.test"},
        {"origin": "null"},
        {"origin": "http://console.localhost"},
        {"origin": "https://console.localhost.evil.test"},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
    ):
        answer = await api.front("DELETE", "/v1/sessions/current", cookie=cookie, **headers)
        assert answer.status_code == 403, headers
    assert (await api.front("GET", "/v1/me", cookie=cookie, origin="https://evil.test")).status_code == 200
    answer = await api.front("POST", "/v1/sessions", ADA, origin="https://evil.test")
    assert answer.status_code == 403
    answer = await api.front("DELETE", "/v1/sessions/current", cookie=cookie, sec_fetch_site="same-origin")
    assert answer.status_code == 204


async def test_an_authenticator_app_is_added_used_and_removed(api: Any) -> None:
    await api.person("ada")
    cookie = await api.signed_in()

    async def ask(method: str, path: str, body: Any = None) -> httpx.Response:
        return await api.front(method, path, body, cookie=cookie, origin=HERE)

    assert (await ask("POST", "/v1/me/totp", {"password": "wrong password"})).status_code == 403
    secret = (await ask("POST", "/v1/me/totp", {"password": PASSPHRASE})).json()["secret"]
    step = int(api.ctx.clock.now() // totp.STEP)
    assert (await ask("POST", "/v1/me/totp/confirm", {"code": "000000"})).status_code == 400
    answer = await ask("POST", "/v1/me/totp/confirm", {"code": totp.code_at(secret, step)})
    codes = answer.json()["codes"]
    assert len(set(codes)) == 10
    answer = await api.front("POST", "/v1/sessions", ADA)
    assert (answer.status_code, answer.json()["fields"]["need"]) == (403, "code")
    answer = await api.front("POST", "/v1/sessions", {**ADA, "code": totp.code_at(secret, step)})
    assert answer.status_code == 403, "the code was spent when it was confirmed"
    assert (await api.front("POST", "/v1/sessions", {**ADA, "code": codes[0]})).status_code == 201
    assert (await api.front("POST", "/v1/sessions", {**ADA, "code": codes[0]})).status_code == 403
    me = (await ask("GET", "/v1/me")).json()
    assert me["factors"] == ["password", "totp", "9 recovery codes"]
    assert (await ask("POST", "/v1/me/totp/remove", {"code": codes[0]})).status_code == 403
    assert (await ask("POST", "/v1/me/totp/remove", {"code": codes[1]})).status_code == 204
    assert (await api.front("POST", "/v1/sessions", ADA)).status_code == 201


async def test_a_new_password_ends_all_other_sessions(api: Any) -> None:
    await api.person("ada")
    mine, other = await api.signed_in(), await api.signed_in()
    body = {"old": PASSPHRASE, "new": "another long sentence"}
    wrong = {**body, "old": "not the password"}
    assert (await api.front("PUT", "/v1/me/password", wrong, cookie=mine, origin=HERE)).status_code == 403
    assert (await api.front("PUT", "/v1/me/password", body, cookie=mine, origin=HERE)).status_code == 204
    assert (await api.front("GET", "/v1/me", cookie=mine)).status_code == 200
    assert (await api.front("GET", "/v1/me", cookie=other)).status_code == 401
    assert (await api.front("POST", "/v1/sessions", ADA)).status_code == 403


async def test_a_token_is_made_used_narrowed_and_ended(api: Any) -> None:
    await api.person("ada", ("demo", "owner"))
    cookie = await api.signed_in()
    body = {"name": "ci", "actions": ["member.read"], "networks": ["192.0.2.0/24"]}
    answer = await api.front("POST", "/v1/tokens/demo", body, cookie=cookie, origin=HERE)
    assert answer.status_code == 201, answer.text
    bearer = f"Bearer {answer.json()['token']}"
    assert (await api.front("GET", "/v1/member?tenant=demo", authorization=bearer)).status_code == 200
    for path in ("/v1/app?tenant=demo", "/v1/member?tenant=other", "/v1/member"):
        assert (await api.front("GET", path, authorization=bearer)).status_code in {403, 404}, path
    answer = await api.front("GET", "/v1/member?tenant=demo", authorization=bearer, x_forwarded_for="203.0.113.9")
    assert answer.status_code == 401
    spoofed = "192.0.2.7, 203.0.113.9"  # what a client wrote itself stands before what the edge saw
    answer = await api.front("GET", "/v1/member?tenant=demo", authorization=bearer, x_forwarded_for=spoofed)
    assert answer.status_code == 401
    for method, path in (("PUT", "/v1/me/password"), ("DELETE", "/v1/sessions/current"), ("POST", "/v1/me/totp")):
        assert (await api.front(method, path, {}, authorization=bearer)).status_code in {403, 404}
    listed = (await api.front("GET", "/v1/tokens/demo", cookie=cookie)).json()["items"]
    assert [(one["name"], one["user"]) for one in listed] == [("ci", "ada")]
    assert "digest" not in str(listed)
    assert (await api.front("DELETE", "/v1/tokens/demo/ci", cookie=cookie, origin=HERE)).status_code == 204
    assert (await api.front("GET", "/v1/member?tenant=demo", authorization=bearer)).status_code == 401


async def test_an_owner_invites_somebody_who_joins(api: Any) -> None:
    await api.person("ada", ("demo", "owner"))
    cookie = await api.signed_in()
    body = {"email": "bob@example.test", "role": "developer"}
    invited = await api.front("POST", "/v1/invitations/demo", body, cookie=cookie, origin=HERE)
    secret = invited.json()["secret"]
    assert invited.json()["link"] == f"https://console.localhost/join#{secret}"
    listed = (await api.front("GET", "/v1/invitations/demo", cookie=cookie)).json()["items"]
    assert [one["email"] for one in listed] == ["bob@example.test"]
    assert secret.split("_", 3)[3] not in str(listed)
    answer = await api.front("POST", "/v1/join", {"secret": secret, "login": "bob", "password": PASSPHRASE})
    assert answer.status_code == 201, answer.text
    me = (await api.front("GET", "/v1/me", cookie=await api.signed_in("bob"))).json()
    assert me["grants"] == [{"role": "developer", "tenant": "demo"}]
    body = {"email": "eve@example.test", "role": "operator"}
    answer = await api.front("POST", "/v1/invitations/demo", body, cookie=cookie, origin=HERE)
    assert answer.status_code == 403


async def test_thousands_of_invitations_are_listed_page_by_page(api: Any) -> None:
    await api.person("ada", ("demo", "owner"))
    cookie = await api.signed_in()
    soon = api.ctx.clock.now() + 1000

    def one(number: int) -> Put:
        expires = 1.0 if number % 3 == 0 else soon
        app = "shop" if number % 1000 == 1 else ""
        spec = Invitation(email=f"p{number}@example.test", role="viewer", app=app, digest="0" * 64, expires=expires)
        return Put("demo", f"{number:012x}", spec, 0)

    await api.store.change("user:root", "test", [one(number) for number in range(5000)])
    await api.store.put("user:root", "test", "other", f"{5000:012x}", one(1).spec)

    async def pages(query: str) -> list[list[str]]:
        found, after = [], ""
        while True:
            path = f"/v1/invitations/demo?{query}&after={after}"
            page = (await api.front("GET", path, cookie=cookie)).json()
            found.append([line["name"] for line in page["items"]])
            after = page["next"]
            if not after:
                return found

    hold = [f"{number:012x}" for number in range(5000) if number % 3]
    for limit in (100, 1000, len(hold) // 4):
        got = await pages(f"limit={limit}")
        assert [name for page in got for name in page] == hold
        assert {len(page) for page in got[:-1]} <= {limit}
        assert got[-1], "no page is empty"
    to_one = [f"{number:012x}" for number in (1, 1001, 2001, 3001, 4001) if number % 3]
    assert await pages("app=shop&limit=2") == [to_one[:2], to_one[2:]]
    assert await pages("prefix=0000000000ff") == [[name for name in hold if name.startswith("0000000000ff")]]
    assert await pages("app=nowhere") == [[]]
    for query in ("limit=0", "limit=1001", "limit=x"):
        answer = await api.front("GET", f"/v1/invitations/demo?{query}", cookie=cookie)
        assert answer.status_code == 400, query


async def test_members_and_roles_are_given_by_who_has_them(api: Any) -> None:
    await api.store.put("user:root", "test", "demo", "demo", Tenant(uid=1))
    await api.person("ada", ("demo", "owner"))
    await api.person("bob")
    cookie = await api.signed_in()

    async def put(path: str, body: Any) -> int:
        return (await api.front("PUT", path, body, cookie=cookie, origin=HERE)).status_code

    assert await put("/v1/member/demo/bob", {"role": "developer"}) == 200
    assert await put("/v1/member/demo/bob:shop", {"role": "owner"}) == 200
    assert await put("/v1/member/demo/bob", {"role": "operator"}) == 403
    assert await put("/v1/member/demo/bob", {"role": "emperor"}) == 400
    assert await put("/v1/member/demo/nobody", {"role": "viewer"}) == 400
    assert await put("/v1/member/other/bob", {"role": "viewer"}) == 404
    assert await put("/v1/member/-/ada", {"role": "operator"}) == 404
    assert await put("/v1/role/demo/deployer", {"actions": ["app.deploy"]}) == 200
    assert await put("/v1/role/demo/deployer", {"actions": ["*.*"]}) == 403
    assert await put("/v1/role/demo/owner", {"actions": ["app.read"]}) == 400
    assert await put("/v1/role/demo/odd", {"actions": ["everything"]}) == 400
    assert await put("/v1/user/-/ada", {"email": "x@y.test"}) == 404


async def test_a_restored_version_gives_nothing_that_its_restorer_does_not_have(api: Any) -> None:
    await api.store.put("user:root", "test", "demo", "demo", Tenant(uid=1))
    await api.person("ada", ("demo", "owner"))
    await api.person("bob")
    await api.call("PUT", "/v1/role/demo/strong", {"actions": ["*.*"]})
    await api.call("PUT", "/v1/role/demo/strong", {"actions": ["app.read"]})
    cookie = await api.signed_in()
    answer = await api.front("POST", "/v1/role/demo/strong/restore?version=1", cookie=cookie, origin=HERE)
    assert answer.status_code == 403


async def test_what_people_prove_themselves_with_leaves_no_entrance(api: Any) -> None:
    await api.person("ada", ("", "operator"))
    cookie = await api.signed_in()
    for kind in ("credentials", "session", "token", "token-use", "invitation"):
        for path in (f"/v1/{kind}", f"/v1/{kind}/-/ada", f"/v1/{kind}/-/ada/history"):
            assert (await api.front("GET", path, cookie=cookie)).status_code == 404, path
    stream = await api.front("GET", "/v1/changes?end=true", cookie=cookie)
    told = set(re.findall(r'"kind":"([a-z-]+)"', stream.text))
    assert told == {"user", "member"}


async def test_the_operator_at_the_machine_makes_the_first_user(api: Any) -> None:
    body = {"login": "ada", "email": "ada@example.test", "password": PASSPHRASE}
    await api.call("POST", "/v1/users", body)
    await api.call("PUT", "/v1/member/-/ada", {"role": "operator"})
    me = (await api.front("GET", "/v1/me", cookie=await api.signed_in())).json()
    assert me["grants"] == [{"role": "operator"}]
    for wrong in ({**body, "login": "Ada"}, {**body, "email": "nonsense"}, {**body, "login": "root"}):
        with pytest.raises(InvalidError):
            await api.call("POST", "/v1/users", wrong)


async def test_guessing_is_slowed_down_and_says_for_how_long(api: Any) -> None:
    statuses = set()
    for number in range(40):
        answer = await api.front("POST", "/v1/sessions", {"login": f"u{number}", "password": "x"})
        statuses.add(answer.status_code)
    assert statuses == {403, 429}
    assert int(answer.headers["retry-after"]) > 0


async def test_a_stolen_session_guesses_slowly_and_slows_down_nobody_else(api: Any) -> None:
    await api.person("ada")
    stolen, own = await api.signed_in(), await api.signed_in()
    for path, body in (("/v1/me/totp/remove", {"code": "123456"}), ("/v1/me/totp", {"password": "guess"})):
        statuses = [
            (await api.front("POST", path, body, cookie=stolen, origin="https://console.localhost")).status_code
            for _ in range(12)
        ]
        assert statuses[-1] == 429, (path, statuses)
    answer = await api.front(
        "POST", "/v1/me/totp", {"password": PASSPHRASE}, cookie=own, origin="https://console.localhost"
    )
    assert answer.status_code == 201, answer.text
