"""Passwords: hashed, compared, refused where they are weak."""

import asyncio

import pytest

from serai.errors import InvalidError
from serai.identity.passwords import LONGEST, Passwords, check_password
from serai.identity.testing import CHEAP, PASSPHRASE


async def test_the_right_password_matches_and_no_other(hashed: str) -> None:
    passwords = Passwords(CHEAP)
    assert await passwords.matches(hashed, PASSPHRASE)
    for wrong in ("", PASSPHRASE + "x", PASSPHRASE.upper(), "x" * 100_000, "\0", "\ud800" * 20):
        assert not await passwords.matches(hashed, wrong)


async def test_nobody_has_no_password() -> None:
    passwords = Passwords(CHEAP)
    for text in ("", "serai-nobody", PASSPHRASE):
        assert not await passwords.matches("", text)


async def test_two_keyboards_mean_the_same_password() -> None:
    passwords = Passwords(CHEAP)
    encoded = await passwords.hash("\uff46\uff55\uff4c\uff4c width and \xe9")
    assert await passwords.matches(encoded, "full width and e\u0301")


def test_a_hash_says_its_parameters(hashed: str) -> None:
    assert hashed.startswith("$argon2id$v=19$m=64,t=1,p=1$")
    assert not Passwords(CHEAP).stale(hashed)
    assert Passwords().stale(hashed)


async def test_two_hashes_at_once_wait_for_nothing() -> None:
    passwords = Passwords()
    one, other = await asyncio.gather(passwords.hash(PASSPHRASE), passwords.hash(PASSPHRASE))
    assert one != other
    assert await passwords.matches(one, PASSPHRASE)
    assert one.startswith("$argon2id$v=19$m=65536,t=3,p=1$")


@pytest.mark.parametrize(
    "weak", ["", "short", "a" * 20, "abababababab", "my ada password", "x" * (LONGEST + 1), "\u200b" * 3]
)
def test_what_can_be_guessed_is_refused(weak: str) -> None:
    with pytest.raises(InvalidError):
        check_password(weak, "ada", "")
