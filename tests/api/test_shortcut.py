"""The short way of reads: the same answers, the same refusals, the same books as the long way."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import msgspec
import pytest

from serai.api.pace import Rates
from serai.api.reads import Answer
from serai.api.shortcut import Shortcut
from serai.identity.descriptors import Tenant
from serai.identity.people import Member, Token, User
from serai.identity.principals import Scope
from serai.identity.throttle import Allowance
from serai.identity.tokens import issue
from serai.store import Delete

ONE, LIST = "/v1/tenant/mine/mine", "/v1/tenant?tenant=mine"


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> list[Answer]:
    """Note what was answered at once."""
    told: list[Answer] = []
    find = Shortcut.find

    def noted(self: Shortcut, scope: Any, url: bytes) -> Answer | None:
        answer = find(self, scope, url)
        told.extend([answer] if answer is not None else [])
        return answer

    monkeypatch.setattr(Shortcut, "find", noted)
    monkeypatch.setattr("serai.api.reads.LONGEST", 1000.0)  # a slow machine takes its time between two requests
    return told


async def token(api: Any, login: str, name: str, scope: Scope, expires: float = 0.0) -> str:
    maker, now = api.desk.recogniser.user(login), api.ctx.clock.now()
    return "Bearer " + await issue(
        api.store, api.desk.directory, maker, name=name, scope=scope, expires=expires, now=now
    )


async def furnish(api: Any) -> None:
    await api.store.put("test", "", "mine", "mine", Tenant(uid=1))
    for login, tenant, role in (("ops", "", "operator"), ("ada", "mine", "viewer"), ("eve", "theirs", "owner")):
        await api.person(login, (tenant, role))


async def test_both_ways_answer_alike(api: Any, short: list[Answer]) -> None:
    await furnish(api)
    bearer = await token(api, "ada", "t", Scope())
    for path in (ONE, LIST):
        first, second = [await api.front("GET", path, authorization=bearer, x_request_id="same") for _ in range(2)]
        assert (first.status_code, second.status_code) == (200, 200)
        assert first.content == second.content
        assert dict(first.headers) == dict(second.headers)
    assert [answer.tag for answer in short] == ['"1"', second.headers["etag"]]
    home = await api.raw(f"GET {ONE} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".encode())
    assert home.startswith(b"HTTP/1.1 200 ")
    assert b"strict-transport" not in home


async def test_who_may_not_is_refused_once_and_in_the_same_words(api: Any, short: list[Answer]) -> None:
    await furnish(api)
    now = api.ctx.clock.now()
    asking = {
        "nobody": (None, 401),
        "a forged one": ("Bearer serai_mine_t_x", 401),
        "another tenant's": (await token(api, "eve", "t1", Scope()), 404),
        "another kind's": (await token(api, "ada", "t2", Scope(tenant="mine", kinds=("app",))), 403),
        "another network's": (await token(api, "ada", "t3", Scope(networks=("198.51.100.0/24",))), 401),
        "an expired one": (await token(api, "ada", "t4", Scope(), expires=now + 0.01), 401),
    }
    bearer = await token(api, "ops", "t5", Scope())
    for path in (ONE, LIST):
        for who, (shown, status) in asking.items():
            headers = {"x_request_id": "same", **({"authorization": shown} if shown else {})}
            long = await api.front("GET", path, **headers)
            assert (await api.front("GET", path, authorization=bearer)).status_code == 200
            before, at_once = api.desk.audit.count, len(short)
            again = await api.front("GET", path, **headers)
            assert (long.status_code, again.status_code) == (status, status), who
            assert again.json() == long.json(), who
            assert dict(again.headers) == dict(long.headers), who
            assert api.desk.audit.count == before + 1, who
            assert len(short) == at_once, who


async def test_whoever_loses_a_right_has_lost_it_with_the_next_request(api: Any, short: list[Answer]) -> None:
    await furnish(api)
    bearers = [await token(api, "ada", f"t{number}", Scope()) for number in range(2)]

    async def statuses() -> list[int]:
        await api.call("GET", ONE)  # so that it is at hand after what was written
        return [(await api.front("GET", ONE, authorization=one)).status_code for one in bearers]

    assert await statuses() == [200, 200]
    assert await statuses() == [200, 200]
    assert len(short) >= 2
    await api.store.change("test", "", (Delete(Token.KIND, "", "t0"),))
    assert await statuses() == [401, 200]
    await api.store.put("test", "", "mine", "ada", Member(role="app"))
    assert await statuses() == [401, 403]
    await api.store.change("test", "", (Delete(Member.KIND, "mine", "ada"),))
    assert await statuses() == [401, 404]
    await api.store.put("test", "", "mine", "ada", Member(role="viewer"))
    assert await statuses() == [401, 200]
    user = (await api.store.get(User, "", "ada")).spec
    await api.store.put("test", "", "", "ada", msgspec.structs.replace(user, disabled=True))
    assert await statuses() == [401, 401]


async def test_an_answer_is_never_older_than_what_was_written(api: Any, short: list[Answer]) -> None:
    await furnish(api)
    for uid in range(30):
        await api.store.put("test", "", "mine", "mine", Tenant(uid=uid))
        seen = await asyncio.gather(*(api.call("GET", ONE) for _ in range(3)))
        assert {one["spec"]["uid"] for one in seen} == {uid}
    await api.store.change("test", "", (Delete("tenant", "mine", "mine"),))
    gone = await api.raw(f"GET {ONE} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".encode())
    assert gone.startswith(b"HTTP/1.1 404 ")
    assert b"application/problem+json" in gone


async def test_who_has_it_is_told_so_on_both_ways(api: Any, short: list[Answer]) -> None:
    await furnish(api)
    bearer = await token(api, "ada", "t", Scope())
    for given, status in (
        ('"1"', 304),
        ('W/"1"', 304),
        ("*", 304),
        ('"7", W/"1"', 304),
        ('"a,b" ,, "1"', 304),
        ('"2"', 200),
        ("1", 200),
        ('"1" "2"', 200),
        ("", 200),
    ):
        await api.store.put("test", "", "other", "other", Tenant(uid=2))  # so that nothing is at hand
        before = len(short)
        answers = [
            await api.front("GET", ONE, authorization=bearer, if_none_match=given, x_request_id="same") for _ in "123"
        ]
        assert [one.status_code for one in answers] == [status] * 3, given
        assert len({one.content for one in answers}) == 1
        assert len({str(sorted(one.headers.items())) for one in answers}) == 1
        assert answers[0].headers["etag"] == '"1"'
        assert len(short) > before
        if status == 304:
            assert answers[0].content == b""
            assert not {"content-length", "content-type", "transfer-encoding"} & answers[0].headers.keys()
    await api.store.put("test", "", "mine", "mine", Tenant(uid=3))
    assert (await api.front("GET", ONE, authorization=bearer, if_none_match='"1"')).status_code == 200
    assert (await api.front("GET", LIST, authorization=bearer, if_none_match="*")).status_code == 304


async def test_all_fields_of_a_name_count_and_who_may_not_learns_nothing(api: Any, short: list[Answer]) -> None:
    await furnish(api)
    await api.call("GET", ONE)
    head = f"GET {ONE} HTTP/1.1\r\nhost: x\r\n"
    twice = 'if-none-match: "7"\r\nif-none-match: "1"\r\n\r\n'
    answer = await api.raw(f"{head}{twice}{head}connection: close\r\n{twice}".encode())
    assert re.findall(rb"HTTP/1.1 (\d+ [A-Z]\w+ ?\w*)", answer) == [b"304 Not Modified"] * 2
    assert b"etag" in answer
    assert b"{" not in answer
    foreign = await token(api, "eve", "t", Scope())
    for given in ("*", '"1"'):
        assert (await api.front("GET", ONE, authorization=foreign, if_none_match=given)).status_code == 404
        assert (await api.front("GET", ONE, if_none_match=given)).status_code == 401
        assert (await api.front("GET", "/v1/tenant/no/no", if_none_match=given)).status_code == 401


async def test_answers_come_in_the_order_of_the_requests(api: Any, short: list[Answer]) -> None:
    await furnish(api)
    await api.call("GET", ONE)
    paths = [ONE, "/v1/about", ONE, "/v1/tenant/no/no", ONE, ONE]
    sent = "".join(f"GET {path} HTTP/1.1\r\nhost: x\r\nx-request-id: r{n}\r\n\r\n" for n, path in enumerate(paths))
    last = f"GET {ONE} HTTP/1.1\r\nhost: x\r\nx-request-id: r6\r\nconnection: close\r\n\r\n"
    answer = await api.raw((sent + last).encode())
    assert re.findall(rb"x-request-id: (r\d)", answer) == [b"r%d" % n for n in range(7)]
    assert re.findall(rb"HTTP/1.1 (\d+)", answer) == [b"404" if n == 3 else b"200" for n in range(7)]
    assert short


async def test_what_is_out_of_the_ordinary_goes_the_long_way(api: Any, short: list[Answer]) -> None:
    await furnish(api)
    await api.call("GET", ONE)
    for line, status in (
        ("if-match: nonsense", 400),
        ("content-length: 0", 200),
        ("range: bytes=0-1", 200),
        ("connection: close", 200),
    ):
        head = f"GET {ONE} HTTP/1.1\r\nhost: x\r\n{line}\r\n"
        answer = await api.raw(f"{head}{'' if 'close' in line else 'connection: close'}\r\n\r\n".encode())
        assert int(answer.split()[1]) == status, line
    for method, begins in (("HEAD", b"HTTP/1.1 200 "), ("POST", b"HTTP/1.1 405 ")):
        answer = await api.raw(f"{method} {ONE} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".encode())
        assert answer.startswith(begins), method
    assert (await api.raw(f"GET {ONE} HTTP/1.0\r\nhost: x\r\n\r\n".encode())).startswith(b"HTTP/1.1 200 ")
    assert not short


async def test_requests_at_hand_are_counted_like_all(serve: Any, short: list[Answer]) -> None:
    async with serve(rates=Rates(Allowance(6, 100.0), Allowance(2, 100.0))) as api:
        await furnish(api)
        bearer = await token(api, "ada", "t", Scope())
        answers = [await api.front("GET", ONE, authorization=bearer) for _ in range(8)]
        assert [one.status_code for one in answers] == [200] * 6 + [429] * 2
        assert answers[-1].json()["code"] == "exhausted"
        assert int(answers[-1].headers["retry-after"]) > 0
        assert short
