"""Signing in: what is needed, what is spent, who is slowed down and who is not."""

import asyncio

import msgspec
import pytest

from serai.errors import DeniedError, ExhaustedError, NotFoundError
from serai.identity import bearer, sessions, totp
from serai.identity.people import User
from serai.identity.signin import Admitted
from serai.identity.testing import PASSPHRASE, Town
from serai.identity.throttle import NETWORK, STRANGERS

SECRET = totp.new_secret()


def code(town: Town, steps: int = 0) -> str:
    return totp.code_at(SECRET, int(town.now // totp.STEP) + steps)


async def sign_in(town: Town, login: str = "ada", password: str = PASSPHRASE, given: str = "", **more: str) -> Admitted:
    return await town.signin.password(login, password, given, town.attempt(**more))


async def test_a_password_opens_a_session(town: Town, hashed: str) -> None:
    await town.user("ada", ("demo", "owner"), password=hashed)
    admitted = await sign_in(town)
    principal = town.recogniser.session(admitted.cookie, "192.0.2.9", town.now)
    assert principal is not None
    assert (principal.id, principal.who, principal.strong) == ("user:ada", "user:ada from 192.0.2.9", False)
    assert admitted.cookie.partition(".")[2] not in str([one async for one in _all(town)])


async def _all(town: Town):
    for row in await town.store.export():
        yield row


async def test_all_that_is_wrong_gets_one_answer(town: Town, hashed: str) -> None:
    await town.user("ada", password=hashed)
    await town.user("bob", password=hashed)
    await town.user("eve")
    await town.store.put("user:root", "w", "", "bob", User(disabled=True))
    answers = set()
    for login, password in (
        ("ada", "wrong password here"),
        ("nobody", PASSPHRASE),
        ("bob", PASSPHRASE),
        ("eve", ""),
        ("", ""),
        ("x" * 100_000, "y"),
        ("ada\0", PASSPHRASE),
        ("ADA", PASSPHRASE),
        ("../ada", PASSPHRASE),
    ):
        with pytest.raises(DeniedError) as refused:
            await sign_in(town, login, password)
        answers.add(refused.value.public)
    assert len(answers) == 1


async def test_a_code_is_needed_and_opens_once(town: Town, hashed: str) -> None:
    await town.user("ada", password=hashed, totp=SECRET)
    with pytest.raises(DeniedError) as refused:
        await sign_in(town)
    assert refused.value.fields["need"] == "code"
    with pytest.raises(DeniedError, match="wrong"):
        await sign_in(town, given="000000")
    admitted = await sign_in(town, given=code(town))
    principal = town.recogniser.session(admitted.cookie, "", town.now)
    assert principal is not None
    assert principal.strong
    with pytest.raises(DeniedError, match="wrong"):
        await sign_in(town, given=code(town))
    town.now += 60
    await sign_in(town, given=code(town))


async def test_of_two_at_once_with_one_code_one_gets_in(town: Town, hashed: str) -> None:
    await town.user("ada", password=hashed, totp=SECRET)
    results = await asyncio.gather(*(sign_in(town, given=code(town)) for _ in range(2)), return_exceptions=True)
    assert sorted(type(one).__name__ for one in results) == ["Admitted", "DeniedError"]


async def test_a_recovery_code_is_spent(town: Town, hashed: str) -> None:
    kept = tuple(bearer.digest(one) for one in ("abcdefgh23", "zzzzzzzz77"))
    await town.user("ada", password=hashed, totp=SECRET, recovery=kept)
    await sign_in(town, given="ABCDE-FGH23")
    with pytest.raises(DeniedError):
        await sign_in(town, given="abcdefgh23")
    held, _ = await town.vault.read("ada")
    assert held.recovery == kept[1:]


async def test_guessing_from_one_network_is_slowed_down(town: Town, hashed: str) -> None:
    await town.user("ada", password=hashed)
    for number in range(NETWORK.burst):
        with pytest.raises(DeniedError):
            await sign_in(town, f"user{number}", "wrong password here")
    with pytest.raises(ExhaustedError):
        await sign_in(town)
    await sign_in(town, address="198.51.100.1")


async def test_nobody_can_lock_a_known_browser_out(town: Town, hashed: str) -> None:
    await town.user("ada", password=hashed)
    mine = (await sign_in(town)).device
    for number in range(STRANGERS.burst):
        with pytest.raises(DeniedError):
            await sign_in(town, password="a wrong password", address=f"198.51.100.{number}")
    with pytest.raises(ExhaustedError):
        await sign_in(town, address="203.0.113.1")
    await sign_in(town, address="203.0.113.1", device=mine)
    await town.user("bob", password=hashed)
    with pytest.raises(ExhaustedError):
        await sign_in(town, address="203.0.113.1", device=(await sign_in(town, "bob")).device)


async def test_sessions_end(town: Town, hashed: str) -> None:
    await town.user("ada", password=hashed)
    await town.user("bob", password=hashed)
    cookie = (await sign_in(town)).cookie
    other = (await sign_in(town)).cookie
    name = cookie.partition(".")[0]
    with pytest.raises(NotFoundError):
        await sessions.end(town.store, town.directory, "user:bob", "bob", name)
    await sessions.end(town.store, town.directory, "user:ada", "ada", name)
    assert town.recogniser.session(cookie, "", town.now) is None
    assert town.recogniser.session(other, "", town.now) is not None
    town.now += sessions.LIFETIME + 1
    assert town.recogniser.session(other, "", town.now) is None
    assert await sessions.sweep(town.store, town.directory, town.now) == 1
    assert list(town.directory.all_sessions()) == []


async def test_too_many_sessions_end_the_oldest(town: Town) -> None:
    await town.user("ada")
    cookies = []
    for _ in range(sessions.MOST + 2):
        town.now += 1
        admitted = await town.signin.admit("ada", town.attempt(), strong=True, keep=[])
        cookies.append(admitted.cookie)
    alive = [town.recogniser.session(cookie, "", town.now) is not None for cookie in cookies]
    assert alive == [False, False] + [True] * sessions.MOST


@pytest.mark.parametrize("forged", ["", ".", "x.y", "\0", "a" * 100_000, "é.é", "0123456789abcdef."])
async def test_forged_cookies_are_nobody(town: Town, forged: str) -> None:
    assert town.recogniser.session(forged, "", town.now) is None


async def test_a_disabled_users_session_is_nobody(town: Town, hashed: str) -> None:
    await town.user("ada", password=hashed)
    cookie = (await sign_in(town)).cookie
    await town.store.put("user:root", "w", "", "ada", User(disabled=True))
    assert town.recogniser.session(cookie, "", town.now) is None


async def test_secrets_are_sealed_in_the_store(town: Town, hashed: str) -> None:
    await town.user("ada", password=hashed, totp=SECRET)
    rows = msgspec.json.encode([row.spec for row in await town.store.export()])
    assert SECRET.encode() not in rows
    assert b"argon2id" not in rows
