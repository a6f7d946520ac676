"""A security key made of a few lines (WebAuthn level 3, sections 6.1, 7.1 and 7.2)."""

from __future__ import annotations

import base64
import hashlib
import json
import struct
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256


def text(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


class Authenticator:
    """A security key with one credential, at ``host``, which pages of ``origin`` may ask for."""

    def __init__(self, host: str, origin: str) -> None:
        self.host, self.origin = host, origin
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
        return json.dumps({"type": kind, "challenge": options["challenge"], "origin": origin or self.origin}).encode()

    def create(self, options: dict[str, Any], origin: str = "") -> dict[str, Any]:
        data = self.data(options["rp"]["id"], attested=True)
        response = {
            "clientDataJSON": text(self.client("webauthn.create", options, origin)),
            "attestationObject": text(cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})),
        }
        return {"id": text(self.id), "rawId": text(self.id), "type": "public-key", "response": response}

    def get(self, options: dict[str, Any], login: str, origin: str = "", *, verified: bool = True) -> dict[str, Any]:
        data, client = self.data(self.host, verified=verified), self.client("webauthn.get", options, origin)
        signature = self.key.sign(data + hashlib.sha256(client).digest(), ECDSA(SHA256()))
        response = {
            "clientDataJSON": text(client),
            "authenticatorData": text(data),
            "signature": text(signature),
            "userHandle": text(login.encode()),
        }
        return {"id": text(self.id), "rawId": text(self.id), "type": "public-key", "response": response}
