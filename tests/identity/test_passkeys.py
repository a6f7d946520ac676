"""Passkeys, with an authenticator made of a few lines (WebAuthn level 3, sections 6.1, 7.1 and 7.2)."""

from typing import Any

import pytest
from authenticator import Authenticator

from serai.errors import DeniedError, ExhaustedError, InvalidError
from serai.identity.passkeys import Passkeys
from serai.identity.people import Secrets
from serai.identity.seal import Keyring
from serai.identity.sites import Site, claimed

SITE = Site(name="Serai", host="console.example.test", origins=("https://console.example.test",))
NOW = 1_800_000_000.0


KEYS = Keyring({"k1": b"1" * 32})


def authenticator() -> Authenticator:
    return Authenticator(SITE.host, SITE.origins[0])


def registered(passkeys: Passkeys, device: Authenticator) -> Secrets:
    offer = passkeys.offer("ada", "Ada", Secrets(), NOW)
    return passkeys.added("ada", Secrets(), offer["ticket"], device.create(offer["options"]), "my key", NOW)


def test_a_passkey_is_added_and_opens() -> None:
    passkeys, device = Passkeys(SITE, KEYS), authenticator()
    held = registered(passkeys, device)
    assert [(one.title, one.count) for one in held.passkeys] == [("my key", 1)]
    question = passkeys.ask(NOW)
    answer = device.get(question["options"], "ada")
    assert claimed(answer) == "ada"
    newer = passkeys.shown(held, question["ticket"], answer, NOW)
    assert newer.passkeys[0].count == 2
    with pytest.raises(DeniedError, match="too long"):
        passkeys.shown(newer, question["ticket"], answer, NOW)


def test_what_does_not_fit_is_refused() -> None:
    passkeys, device = Passkeys(SITE, KEYS), authenticator()
    held = registered(passkeys, device)

    def shown(secrets: Secrets, late: float = 0.0, **more: Any) -> Secrets:
        question = passkeys.ask(NOW)
        answer = device.get(question["options"], "ada", **more)
        return passkeys.shown(secrets, question["ticket"], answer, NOW + late)

    shown(held)
    with pytest.raises(DeniedError):
        shown(held, origin="https://evil.test")
    with pytest.raises(DeniedError):
        shown(held, verified=False)
    with pytest.raises(DeniedError):
        shown(held, late=301)
    with pytest.raises(DeniedError):
        shown(Secrets())
    with pytest.raises(DeniedError):
        shown(registered(passkeys, authenticator()))  # another key under the same ID


def test_a_cloned_key_is_noticed_by_its_count() -> None:
    passkeys, device = Passkeys(SITE, KEYS), authenticator()
    held = registered(passkeys, device)
    device.count = 50
    question = passkeys.ask(NOW)
    held = passkeys.shown(held, question["ticket"], device.get(question["options"], "ada"), NOW)
    device.count = 3
    question = passkeys.ask(NOW)
    with pytest.raises(DeniedError):
        passkeys.shown(held, question["ticket"], device.get(question["options"], "ada"), NOW)


def test_a_challenge_is_for_one_party() -> None:
    passkeys, device = Passkeys(SITE, KEYS), authenticator()
    offer = passkeys.offer("ada", "Ada", Secrets(), NOW)
    with pytest.raises(DeniedError):
        passkeys.added("eve", Secrets(), offer["ticket"], device.create(offer["options"]), "", NOW)
    offer = passkeys.offer("ada", "Ada", Secrets(), NOW)
    with pytest.raises(InvalidError):
        passkeys.added("ada", Secrets(), offer["ticket"], device.create(offer["options"], "https://evil.test"), "", NOW)


@pytest.mark.parametrize(
    "answer", [{}, {"id": 1}, {"response": None}, {"id": "x" * 100_000}, {"response": {"userHandle": "é"}}]
)
def test_garbage_is_refused(answer: dict[str, Any]) -> None:
    passkeys = Passkeys(SITE, KEYS)
    claimed(answer)
    with pytest.raises(DeniedError):
        passkeys.shown(Secrets(), passkeys.ask(NOW)["ticket"], answer, NOW)
    with pytest.raises(InvalidError):
        passkeys.added("ada", Secrets(), passkeys.offer("ada", "", Secrets(), NOW)["ticket"], answer, "", NOW)


def test_a_million_questions_take_nobodys_away() -> None:
    passkeys, device = Passkeys(SITE, KEYS), authenticator()
    held = registered(passkeys, device)
    question = passkeys.ask(NOW)
    for _ in range(10_100):  # as many as would have been kept, were they kept
        passkeys.ask(NOW)
    passkeys.shown(held, question["ticket"], device.get(question["options"], "ada"), NOW)


def test_what_was_spent_stays_spent_after_a_restart_also_where_a_key_does_not_count() -> None:
    device = authenticator()
    device.count = -1  # of a key that does not count: it says 0
    held = registered(Passkeys(SITE, KEYS), device)
    device.count = -1
    question = Passkeys(SITE, KEYS).ask(NOW)
    answer = device.get(question["options"], "ada")
    newer = Passkeys(SITE, KEYS).shown(held, question["ticket"], answer, NOW)
    assert newer.passkeys[0].count == 0, "its count would not tell"
    with pytest.raises(DeniedError, match="too long"):
        Passkeys(SITE, KEYS).shown(newer, question["ticket"], answer, NOW + 299)
    offer = Passkeys(SITE, KEYS).offer("ada", "Ada", newer, NOW)
    made = device.create(offer["options"])
    twice = Passkeys(SITE, KEYS).added("ada", newer, offer["ticket"], made, "", NOW)
    with pytest.raises(DeniedError, match="too long"):
        Passkeys(SITE, KEYS).added("ada", twice, offer["ticket"], made, "", NOW)


def test_what_is_remembered_as_spent_has_an_end() -> None:
    passkeys, device = Passkeys(SITE, KEYS), authenticator()
    held = registered(passkeys, device)

    def show(secrets: Secrets, now: float) -> Secrets:
        question = passkeys.ask(now)
        return passkeys.shown(secrets, question["ticket"], device.get(question["options"], "ada"), now)

    for _ in range(99):
        held = show(held, NOW)
    with pytest.raises(ExhaustedError):
        show(held, NOW)
    assert len(show(held, NOW + 301).spent) == 1


def test_a_ticket_can_not_be_made_by_others_nor_moved() -> None:
    device = authenticator()
    held = registered(Passkeys(SITE, KEYS), device)
    question = Passkeys(SITE, Keyring({"k1": b"2" * 32})).ask(NOW)
    answer = device.get(question["options"], "ada")
    for ticket in (question["ticket"], "", "x" * 300, KEYS.seal("9 9 9", "device"), "sealed:k1:AAAA"):
        with pytest.raises(DeniedError):
            Passkeys(SITE, KEYS).shown(held, ticket, answer, NOW)
    assert len(Passkeys(SITE, KEYS).offer("a" * 32, "", Secrets(), NOW)["ticket"]) < 300, "what a ticket may have"
