"""Invitations: bound to their address, to their time, and to what their inviter may."""

import pytest

from serai.errors import AlreadyExistsError, DeniedError, InvalidError, NotFoundError
from serai.identity import invitations
from serai.identity.invitations import Newcomer
from serai.identity.local import LOCAL_OPERATOR
from serai.identity.people import User
from serai.identity.principals import Grant, Principal
from serai.identity.testing import PASSPHRASE, Town
from serai.store import Delete


async def invite(town: Town, inviter: Principal, role: str = "developer", app: str = "", email: str = "") -> str:
    return await invitations.invite(
        town.store,
        town.directory,
        inviter,
        email=email or "Bob@Example.test",
        role=role,
        tenant="demo",
        app=app,
        now=town.now,
    )


async def join(town: Town, text: str, login: str = "bob", password: str = PASSPHRASE) -> str:
    newcomer = Newcomer(login=login, password=password)
    return await invitations.join(town.store, town.directory, town.vault, town.passwords, text, newcomer, town.now)


async def test_somebody_joins_and_signs_in(town: Town) -> None:
    await town.user("ada", ("demo", "owner"))
    text = await invite(town, town.recogniser.user("ada"), app="shop")
    assert await join(town, text) == "bob"
    assert town.directory.user("bob") == User(email="Bob@Example.test")
    assert town.directory.grants("bob") == (Grant("developer", "demo", "shop"),)
    await town.signin.password("bob", PASSPHRASE, "", town.attempt())
    with pytest.raises(NotFoundError):
        await join(town, text, "bob2")


async def test_a_user_accepts_with_their_address_only(town: Town) -> None:
    await town.user("bob")
    await town.user("eve")
    text = await invite(town, LOCAL_OPERATOR, "owner")
    with pytest.raises(AlreadyExistsError, match="sign in"):
        await join(town, text, "bobby")
    with pytest.raises(DeniedError, match="another address"):
        await invitations.accept(town.store, town.directory, town.recogniser.user("eve"), text, town.now)
    await invitations.accept(town.store, town.directory, town.recogniser.user("bob"), text, town.now)
    assert town.directory.grants("bob") == (Grant("owner", "demo"),)


async def test_it_expires_and_forgeries_do_not_hold(town: Town) -> None:
    text = await invite(town, LOCAL_OPERATOR)
    for forged in ("", "x", text[:-1], text + "x", text.replace("_demo_", "_other_"), "serai_-_x_" + "y" * 43):
        with pytest.raises(NotFoundError):
            await join(town, forged)
    town.now += invitations.LIFETIME
    with pytest.raises(NotFoundError):
        await join(town, text)


async def test_nobody_invites_above_themselves(town: Town) -> None:
    await town.user("dev", ("demo", "developer"))
    await town.user("ada", ("demo", "owner"))
    with pytest.raises(DeniedError):
        await invite(town, town.recogniser.user("dev"), "owner")
    with pytest.raises(DeniedError):
        await invite(town, town.recogniser.user("ada"), "operator")
    with pytest.raises(NotFoundError):
        await invite(town, town.recogniser.user("ada"), "emperor")


async def test_who_was_removed_leaves_no_doors_behind(town: Town) -> None:
    await town.user("ada", ("demo", "owner"))
    text = await invite(town, town.recogniser.user("ada"), "owner")
    await town.store.change("user:root", "removed", (Delete("member", "demo", "ada"),))
    with pytest.raises(NotFoundError):
        await join(town, text)


@pytest.mark.parametrize("email", ["", "bob", "bob@", "@x", "a b@x.test", "a@x.test\r\nBcc: y", "a" * 65 + "@x.test"])
async def test_addresses_that_can_not_be_are_refused(town: Town, email: str) -> None:
    with pytest.raises(InvalidError):
        await invite(town, LOCAL_OPERATOR, email=email or " ")


@pytest.mark.parametrize(
    ("login", "password"), [("Bob", PASSPHRASE), ("", PASSPHRASE), ("bob", "bobbobbobbob"), ("a/b", PASSPHRASE)]
)
async def test_logins_and_passwords_that_can_not_be_are_refused(town: Town, login: str, password: str) -> None:
    text = await invite(town, LOCAL_OPERATOR)
    with pytest.raises(InvalidError):
        await join(town, text, login, password)
