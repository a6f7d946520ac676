"""What the world may send to the front door: forged, replayed and bent credentials, field injection, absurd bodies."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from serai.api.entrance import SESSION
from serai.identity.people import Token
from serai.identity.principals import Scope
from serai.identity.recognise import Recogniser
from serai.identity.tokens import issue

HERE = "https://console.localhost"
BENT = [
    "x\r\nset-cookie: a=b",
    "x\nevil: 1",
    "x\x00y",
    "\x1b[2J",
    "\u202e",
    "😀" * 20,
    "' OR 1=1 --",
    "{{7*7}}",
    "<script>",
]


async def octets(api: Any, data: bytes) -> bytes:
    """Send octets to the front as they are and return all that comes back."""
    reader, writer = await asyncio.open_unix_connection(api.path.with_name("front.sock"))
    writer.write(data)
    async with asyncio.timeout(20):
        try:
            return await reader.read()
        except ConnectionError:
            return b""
        finally:
            writer.close()


async def held(api: Any, **scope: Any) -> str:
    """Make a token of ada's."""
    user = api.desk.recogniser.user("ada")
    now = api.ctx.clock.now()
    return await issue(api.store, api.desk.directory, user, name="t1", scope=Scope(**scope), now=now)


async def test_a_session_and_a_token_hold_only_as_they_were_given(api: Any) -> None:
    await api.person("ada", ("demo", "owner"))
    await api.person("bob", ("demo", "owner"))
    one, other = [(await api.signed_in(login)).partition(";")[0].partition("=")[2] for login in ("ada", "bob")]
    name, _, secret = one.partition(".")
    theirs = other.partition(".")[0]
    forged = [
        f"{theirs}.{secret}",
        f"{name}.",
        name,
        f".{secret}",
        f"{name}.{secret}x",
        f"{name}.{secret[:-1]}",
        "." * 200,
    ]
    forged += [f"{name.upper()}.{secret}", "x" * 5000, f"{name}.{secret}.{secret}"]
    for cookie in forged:
        assert (await api.front("GET", "/v1/me", cookie=f"{SESSION}={cookie}")).status_code in {400, 401}, cookie
    token = await held(api)
    serai, tenant, label, kept = token.split("_", 3)
    for text in (
        f"{serai}_demo_{label}_{kept}", f"{serai}_{tenant}_{label}_", f"{serai}_{tenant}_t2_{kept}", kept, token[:-1],
        token + "x", token.upper(), f"{token} {token}", f"serai_{'_' * 50}", "x" * 400,
    ):  # fmt: skip
        assert (await api.front("GET", "/v1/me", authorization=f"Bearer {text}")).status_code == 401, text
    # A cookie is no token, a token no cookie, and a token that does not hold is never made up for by a session.
    cookie = f"{SESSION}={one}"
    assert (await api.front("GET", "/v1/me", authorization=f"Bearer {one}")).status_code == 401
    assert (await api.front("GET", "/v1/me", cookie=f"{SESSION}={token}")).status_code == 401
    assert (await api.front("GET", "/v1/me", cookie=cookie, authorization="Bearer forged")).status_code == 401
    assert (await api.front("DELETE", "/v1/sessions/current", cookie=cookie, origin=HERE)).status_code == 204
    assert (await api.front("GET", "/v1/me", cookie=cookie)).status_code == 401, "a replayed cookie opens nothing"


async def test_only_the_last_address_counts_and_it_must_be_one(api: Any) -> None:
    await api.person("ada", ("demo", "owner"))
    token = f"Bearer {await held(api, networks=('192.0.2.0/24',))}"
    for address, status in (
        ("192.0.2.7", 200),
        ("203.0.113.1, 192.0.2.7", 200),
        ("192.0.2.7, 203.0.113.1", 401),
        ("::ffff:192.0.2.7", 200),
        ("unknown", 401),
        ("192.0.2.7:80", 401),
        ("192.0.2.7" + " " * 100 + "x", 401),
    ):
        answer = await api.front("GET", "/v1/me", authorization=token, x_forwarded_for=address)
        assert answer.status_code == status, address
    for header in ("forwarded", "x_real_ip", "true_client_ip", "x_client_ip"):
        answer = await api.front(
            "GET", "/v1/me", authorization=token, x_forwarded_for="203.0.113.1", **{header: "192.0.2.7"}
        )
        assert answer.status_code == 401, header


@pytest.mark.parametrize("value", BENT)
async def test_a_bent_text_ends_no_field_and_no_line_of_a_log(api: Any, capsys: Any, value: str) -> None:
    await api.person("ada", ("demo", "owner"))
    cookie = await api.signed_in()
    capsys.readouterr()
    posts = [
        ("POST", "/v1/users", {"login": value, "email": value}),
        ("POST", "/v1/sessions", {"login": value, "password": value, "code": value}),
        ("POST", "/v1/invitations/demo", {"email": value, "role": value}),
        ("POST", "/v1/me/tokens", {"title": value}),
        ("POST", "/v1/tokens/demo", {"name": value, "title": value}),
        ("PUT", "/v1/role/demo/x", {"actions": [value], "title": value}),
        ("POST", "/v1/join", {"secret": value, "login": value, "password": value}),
        ("POST", "/v1/reset", {"secret": value, "password": value}),
    ]
    for method, path, body in posts:
        answer = await api.front(method, path, body, cookie=cookie, origin=HERE)
        assert answer.status_code < 500, (path, answer.text)
        assert {"evil", "set-cookie"} & set(answer.headers) <= set(), path
    if value.isascii() and value.isprintable():
        answer = await api.front("GET", "/v1/me", cookie=cookie, user_agent=value, x_request_id=value)
        assert answer.headers["x-request-id"] != value
    for line in capsys.readouterr().out.splitlines():
        assert line.startswith("20"), line  # each begins with its time: no value has begun one
        assert not {"\x1b", "\x00"} & set(line), line


async def test_large_and_deep_bodies_are_refused_before_anything_happens(api: Any) -> None:
    await api.person("ada", ("demo", "owner"))
    token = await held(api)
    before = await api.store.last_change()
    deep = b'{"title":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    wide = json.dumps({"actions": ["a.b"] * 100_000}).encode()
    large = b'{"title": "' + b"x" * (10 << 20) + b'"}'
    for path in ("/v1/sessions", "/v1/join", "/v1/reset", "/v1/tokens/demo", "/v1/invitations/demo", "/v1/users"):
        for body, statuses in ((deep, {b"", 400, 404}), (wide, {b"", 400, 404, 413}), (large, {b"", 413, 404})):
            head = f"POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\nconnection: close\r\n"
            head += f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
            answer = await octets(api, head.encode() + body)
            assert (int(answer.split()[1]) if answer else b"") in statuses, (path, len(body), answer[:300])
    assert await api.store.last_change() == before
    assert (await api.front("GET", "/v1/me", authorization=f"Bearer {token}")).status_code == 200


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=320), st.text(max_size=80))
def test_no_text_is_somebody(text: str, address: str) -> None:
    class Nobody:
        def __getattr__(self, _name: str) -> Any:
            return lambda *_arguments: None

    recogniser = Recogniser(Nobody())  # type: ignore[arg-type]  # what is asked of it has no answer
    assert recogniser.token(text, address, 0.0) is None
    assert recogniser.session(text, address, 0.0) is None
    assert Token.NAME.fullmatch("t1")
