"""Passkeys, with an authenticator made of a few lines (WebAuthn level 3, sections 6.1, 7.1 and 7.2)."""

import base64
import hashlib
import json
import struct
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256

from serai.errors import DeniedError, InvalidError
from serai.identity.passkeys import Passkeys
from serai.identity.people import Secrets
from serai.identity.sites import Site, claimed

SITE = Site(name="Serai", host="console.example.test", origins=("https://console.example.test",))
NOW = 1_800_000_000.0


def text(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


class Authenticator:
    """A security key with one credential."""

    def __init__(self) -> None:
        self.key = generate_private_key(SECP256R1())
        self.id = b"credential-1"
        self.count = 0

    def data(self, host: str, *, attested: bool = False, verified: bool = True) -> bytes:
        self.count += 1
        flags = 0x01 | (0x04 if verified else 0) | (0x40 if attested else 0)
        found = hashlib.sha256(host.encode()).digest() + bytes([flags]) + struct.pack(">I", self.count)
        if attested:
            public = self.key.public_key().public_numbers()
            cose = {1: 2, 3: -7, -1: 1, -2: public.x.to_bytes(32), -3: public.y.to_bytes(32)}
            found += bytes(16) + struct.pack(">H", len(self.id)) + self.id + cbor2.dumps(cose)
        return found

    def client(self, kind: str, options: dict[str, Any], origin: str) -> bytes:
        return json.dumps({"type": kind, "challenge": options["challenge"], "origin": origin}).encode()

    def create(self, options: dict[str, Any], origin: str = SITE.origins[0]) -> dict[str, Any]:
        data = self.data(options["rp"]["id"], attested=True)
        response = {
            "clientDataJSON": text(self.client("webauthn.create", options, origin)),
            "attestationObject": text(cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})),
        }
        return {"id": text(self.id), "rawId": text(self.id), "type": "public-key", "response": response}

    def get(
        self, options: dict[str, Any], login: str, origin: str = SITE.origins[0], *, verified: bool = True
    ) -> dict[str, Any]:
        data, client = self.data(SITE.host, verified=verified), self.client("webauthn.get", options, origin)
        signature = self.key.sign(data + hashlib.sha256(client).digest(), ECDSA(SHA256()))
        response = {
            "clientDataJSON": text(client),
            "authenticatorData": text(data),
            "signature": text(signature),
            "userHandle": text(login.encode()),
        }
        return {"id": text(self.id), "rawId": text(self.id), "type": "public-key", "response": response}


def registered(passkeys: Passkeys, device: Authenticator) -> Secrets:
    offer = passkeys.offer("ada", "Ada", Secrets(), NOW)
    return passkeys.added("ada", Secrets(), offer["ticket"], device.create(offer["options"]), "my key", NOW)


def test_a_passkey_is_added_and_opens() -> None:
    passkeys, device = Passkeys(SITE), Authenticator()
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
    passkeys, device = Passkeys(SITE), Authenticator()
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
        shown(registered(passkeys, Authenticator()))  # another key under the same ID


def test_a_cloned_key_is_noticed_by_its_count() -> None:
    passkeys, device = Passkeys(SITE), Authenticator()
    held = registered(passkeys, device)
    device.count = 50
    question = passkeys.ask(NOW)
    held = passkeys.shown(held, question["ticket"], device.get(question["options"], "ada"), NOW)
    device.count = 3
    question = passkeys.ask(NOW)
    with pytest.raises(DeniedError):
        passkeys.shown(held, question["ticket"], device.get(question["options"], "ada"), NOW)


def test_a_challenge_is_for_one_party() -> None:
    passkeys, device = Passkeys(SITE), Authenticator()
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
    passkeys = Passkeys(SITE)
    claimed(answer)
    with pytest.raises(DeniedError):
        passkeys.shown(Secrets(), passkeys.ask(NOW)["ticket"], answer, NOW)
    with pytest.raises(InvalidError):
        passkeys.added("ada", Secrets(), passkeys.offer("ada", "", Secrets(), NOW)["ticket"], answer, "", NOW)
