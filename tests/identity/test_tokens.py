"""API tokens: never more than their user, nor than their scope, nor for longer."""

import msgspec
import pytest

from serai.errors import ConflictError, DeniedError, InvalidError, NotFoundError
from serai.identity import Target, allowed, authorize, tokens
from serai.identity.authorize import Refusal
from serai.identity.people import Member, User
from serai.identity.principals import Principal, Scope
from serai.identity.testing import Town
from serai.store import Delete


class Kept:
    """An audit that remembers."""

    def __init__(self) -> None:
        self.refusals: list[Refusal] = []

    def refused(self, refusal: Refusal) -> None:
        self.refusals.append(refusal)


async def issue(town: Town, scope: Scope, name: str = "ci", login: str = "ada", **more: float) -> str:
    maker = town.recogniser.user(login)
    return await tokens.issue(town.store, town.directory, maker, name=name, scope=scope, now=town.now, **more)


def shown(town: Town, text: str, address: str = "192.0.2.7") -> Principal | None:
    return town.recogniser.token(text, address, town.now)


async def test_a_token_does_what_its_scope_says(town: Town) -> None:
    await town.user("ada", ("demo", "owner"), ("other", "owner"))
    token = await issue(town, Scope(tenant="demo", actions=("app.deploy", "app.read"), names=("shop*",)))
    principal = shown(town, token)
    assert principal is not None
    assert principal.who == "token:demo/ci from 192.0.2.7"

    def may(action: str, **where: str) -> bool:
        return allowed(principal, action, Target(**where))[0]

    assert may("app.deploy", tenant="demo", app="shop-1")
    assert may("app.read", tenant="demo", kind="app", name="shop")
    assert not may("app.deploy", tenant="demo", app="blog")
    assert not may("app.delete", tenant="demo", app="shop")
    assert not may("app.deploy", tenant="other", app="shop")
    assert not may("app.read", tenant="demo", kind="app")
    audit = Kept()
    with pytest.raises(NotFoundError):
        authorize(principal, "app.read", Target(tenant="other", app="shop"), audit)
    with pytest.raises(DeniedError):
        authorize(principal, "app.delete", Target(tenant="demo", app="shop"), audit)
    assert [(one.who, one.action) for one in audit.refusals] == [
        ("token:demo/ci from 192.0.2.7", "app.read"),
        ("token:demo/ci from 192.0.2.7", "app.delete"),
    ]


async def test_a_token_is_never_more_than_its_user(town: Town) -> None:
    await town.user("ada", ("demo", "owner"))
    token = await issue(town, Scope(tenant="demo"))
    principal = shown(town, token)
    assert principal is not None
    assert allowed(principal, "app.delete", Target(tenant="demo", app="shop"))[0]
    await town.store.put("user:root", "w", "demo", "ada", Member(role="viewer"))
    principal = shown(town, token)
    assert principal is not None
    assert not allowed(principal, "app.delete", Target(tenant="demo", app="shop"))[0]
    await town.store.put("user:root", "w", "", "ada", User(disabled=True))
    assert shown(town, token) is None


async def test_a_token_holds_from_its_networks_and_for_its_time(town: Town) -> None:
    await town.user("ada", ("demo", "owner"))
    scope = Scope(tenant="demo", networks=("192.0.2.0/24", "2001:db8::/32"))
    token = await issue(town, scope, expires=town.now + 60)
    for address, known in (
        ("192.0.2.7", True),
        ("::ffff:192.0.2.7", True),
        ("2001:db8::1", True),
        ("192.0.3.7", False),
        ("", False),
        ("192.0.2.7, 203.0.113.1", False),
    ):
        assert (shown(town, token, address) is not None) == known, address
    town.now += 60
    assert shown(town, token) is None


async def test_a_changed_or_deleted_token_is_nobody(town: Town) -> None:
    await town.user("ada", ("demo", "owner"))
    token = await issue(town, Scope(tenant="demo"))
    for forged in (token[:-1], token + "x", token.replace("_demo_", "_other_"), token.replace("_ci_", "_cd_"), ""):
        assert shown(town, forged) is None
    await town.store.change("user:ada", "w", (Delete("token", "demo", "ci"),))
    assert shown(town, token) is None


async def test_nobody_gives_what_they_do_not_have(town: Town) -> None:
    await town.user("ada", ("demo", "developer"))
    with pytest.raises(DeniedError, match=r"app\.delete"):
        await issue(town, Scope(tenant="demo", actions=("app.delete",)))
    with pytest.raises(DeniedError):
        await issue(town, Scope(tenant="other", actions=("app.read",)))
    with pytest.raises(DeniedError, match="Only users"):
        await tokens.issue(
            town.store, town.directory, Principal(kind="app", name="x"), name="ci", scope=Scope(), now=town.now
        )


async def test_a_token_makes_none_that_reaches_further(town: Town) -> None:
    await town.user("ada", ("demo", "owner"), ("other", "owner"))
    outer = shown(town, await issue(town, Scope(tenant="demo", networks=("192.0.2.0/24",))))
    narrow = shown(town, await issue(town, Scope(tenant="demo", names=("shop",)), name="narrow"))
    assert outer is not None
    assert narrow is not None

    async def make(maker: Principal, scope: Scope, name: str) -> str:
        return await tokens.issue(town.store, town.directory, maker, name=name, scope=scope, now=town.now)

    with pytest.raises(DeniedError, match="further"):
        await make(outer, Scope(tenant="other"), "a")
    with pytest.raises(DeniedError, match="narrowed"):
        await make(narrow, Scope(tenant="demo", names=("shop",)), "b")
    inner = await make(outer, Scope(tenant="demo"), "c")
    assert shown(town, inner, "203.0.113.1") is None
    assert shown(town, inner) is not None


@pytest.mark.parametrize(
    "scope",
    [
        Scope(actions=("everything",)),
        Scope(networks=("nowhere",)),
        Scope(app="shop"),
        Scope(kinds=tuple(str(n) for n in range(101))),
    ],
)
async def test_a_scope_that_can_not_be_meant_is_refused(town: Town, scope: Scope) -> None:
    await town.user("ada", ("", "operator"))
    with pytest.raises(InvalidError):
        await issue(town, scope)


async def test_a_name_is_given_once(town: Town) -> None:
    await town.user("ada", ("demo", "owner"))
    await issue(town, Scope(tenant="demo"))
    with pytest.raises(ConflictError):
        await issue(town, Scope(tenant="demo"))
    with pytest.raises(InvalidError):
        await issue(town, Scope(tenant="demo"), name="a_b")
    with pytest.raises(InvalidError):
        await issue(town, Scope(tenant="demo"), name="past", expires=town.now - 1)


async def test_its_use_is_noted_once_an_hour(town: Town) -> None:
    await town.user("ada", ("demo", "owner"))
    principal = shown(town, await issue(town, Scope(tenant="demo")))
    assert principal is not None
    before = await town.store.last_change()
    for _ in range(3):
        await tokens.note_use(town.store, town.directory, principal, town.now)
    assert await town.store.last_change() == before + 1
    use = town.directory.token_use("demo", "ci")
    assert use is not None
    assert (use.address, use.at % 3600) == ("192.0.2.7", 0)
    await tokens.note_use(town.store, town.directory, principal, town.now + 3600)
    assert await town.store.last_change() == before + 2


def test_a_scope_is_read_strictly() -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"tenants": ["demo"]}', type=Scope)


async def test_who_was_recognised_is_forgotten_with_the_next_change_and_when_it_expires(town: Town) -> None:
    await town.user("ada", ("demo", "viewer"))
    text = await issue(town, Scope(), expires=town.now + 10.0)
    first = shown(town, text)
    assert first is not None
    assert shown(town, text) is first
    await town.store.put("user:root", "test", "demo", "ada", Member(role="owner"))
    assert shown(town, text).grants[0].role == "owner"
    assert shown(town, text[:-1]) is None
    assert town.recogniser.token(text, "192.0.2.7", town.now + 10.0) is None
    await town.store.change("user:root", "test", (Delete("token", "", "ci"),))
    assert shown(town, text) is None


async def test_what_was_known_as_a_token_is_none_from_another_address_and_no_cookie(town: Town) -> None:
    await town.user("ada", ("demo", "owner"))
    text = await issue(town, Scope(networks=("192.0.2.0/24",)))
    assert shown(town, text) is not None
    assert shown(town, text, "198.51.100.1") is None
    assert town.recogniser.session(text, "192.0.2.7", town.now) is None


async def test_as_many_are_known_as_there_is_room_for(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serai.identity.recognise.MOST", 3)
    await town.user("ada", ("demo", "owner"))
    text = await issue(town, Scope())
    for last in range(20):
        principal = shown(town, text, f"192.0.2.{last}")
        assert principal is not None
        assert principal.address == f"192.0.2.{last}"
        assert len(town.recogniser._known) <= 3
