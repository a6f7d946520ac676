"""Tickets: what an application gives a visitor of its own, so that they may follow some of its channels for a while.

A ticket is ``PAYLOAD.TAG``, both in base64url without padding: JSON, and its HMAC-SHA256 (RFC 2104). The key lies in a
file beside those that seal secrets, never in the store; workers that face the network learn it from the source of
events, and can do no more with it than follow and let follow.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
from pathlib import Path
from typing import Annotated

import msgspec

from serai.errors import DeniedError, InvalidError, UnavailableError
from serai.services.push.channels import MOST_ASKED, check_own, own

MAX_TICKET = 2048  # characters
MAX_SECONDS = 86400.0  # that a ticket may hold
KEY = 32  # octets


class Payload(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose channels, which, and until when (seconds since the epoch)."""

    t: str
    a: str
    c: Annotated[list[str], msgspec.Meta(min_length=1, max_length=MOST_ASKED)]
    x: float


def issue(key: bytes, tenant: str, app: str, channels: list[str], expires: float) -> str:
    """Return a ticket; `InvalidError` where a channel's name is none, or there are too many."""
    if not 1 <= len(channels) <= MOST_ASKED:
        raise InvalidError(f"A ticket is for 1 to {MOST_ASKED} channels.", path="channels")
    for channel in channels:
        check_own(channel)
    payload = msgspec.json.encode(Payload(tenant, app, channels, expires))
    return f"{_text(payload)}.{_text(_tag(key, payload))}"


def read(key: bytes, ticket: str, tenant: str, app: str, now: float) -> Payload:
    """Return what a ticket says; `DeniedError` where it does not hold, or not for this application."""
    payload, _, tag = ticket.partition(".")
    octets, proof = (_octets(payload), _octets(tag)) if len(ticket) <= MAX_TICKET else (b"", b"")
    if not key or not hmac.compare_digest(proof, _tag(key, octets)):
        raise DeniedError("That ticket does not hold.")
    try:
        found = msgspec.json.decode(octets, type=Payload)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise DeniedError("That ticket does not hold.") from None
    if (found.t, found.a) != (tenant, app) or found.x <= now:
        raise DeniedError("That ticket does not hold here, or no more.")
    return found


def channels_of(payload: Payload) -> list[str]:
    """Return the whole names of the channels that a ticket is for."""
    return [own(payload.t, payload.a, name) for name in payload.c]


def open_key(path: Path) -> bytes:
    """Return the key of a file, which is made where there is none; `UnavailableError` where that can't be."""
    try:
        if not path.exists():
            path.parent.mkdir(mode=0o700, exist_ok=True)
            new = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
            descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(secrets.token_hex(KEY).encode())
                file.flush()
                os.fsync(file.fileno())
            new.replace(path)
        key = bytes.fromhex(path.read_text("ascii").strip())
    except (OSError, ValueError) as error:
        raise UnavailableError("The key of tickets can't be read.", temporary=False, reason=str(error)) from error
    if len(key) != KEY:
        raise UnavailableError("The key of tickets has another length.", temporary=False)
    return key


def _tag(key: bytes, payload: bytes) -> bytes:
    return hmac.digest(key, b"serai push ticket\0" + payload, hashlib.sha256)


def _text(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def _octets(text: str) -> bytes:
    """Return what base64url says; nothing where it is none, which proves nothing."""
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError:
        return b""
