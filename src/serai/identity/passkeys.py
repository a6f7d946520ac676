"""Passkeys: public keys in the place of passwords (WebAuthn level 3).

A challenge opens once, within minutes, for the party that it was made for. It travels sealed with its ticket, and only
what was used is remembered: whoever asks for a million of them takes nobody's away. It is remembered with its user's
secrets, in the very write that lets them in, so that it is spent for every process, now and after a restart. A passkey
shows that its user is there and verified (PIN, finger), so it is both factors at once.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

import msgspec
import webauthn
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from serai.errors import DeniedError, ExhaustedError, InvalidError, UnavailableError
from serai.identity.people import Passkey, Secrets, Spent
from serai.identity.sites import Site
from serai.store.contract import Seals

MOST = 20  # passkeys of a user
MAX_ANSWER = 16 * 1024  # octets of a browser's answer
_SPENT = 100  # challenges of a user that are remembered as used
_ABOUT = "passkey"  # what sealed tickets are about
_LIFETIME = 300.0  # seconds that a challenge waits
_LATE = "That took too long: try again."
_REFUSED = "That passkey does not open this."


class Passkeys:
    """Make challenges, and check what browsers answer."""

    def __init__(self, site: Site, seals: Seals) -> None:
        self._site = site
        self._seals = seals

    def offer(self, login: str, title: str, held: Secrets, now: float) -> dict[str, Any]:
        """Return what ``navigator.credentials.create`` needs, with ``ticket`` to be sent back."""
        if len(held.passkeys) >= MOST:
            raise ExhaustedError(f"A user has at most {MOST} passkeys.")
        options = webauthn.generate_registration_options(
            rp_id=self._site.host,
            rp_name=self._site.name,
            user_id=login.encode(),
            user_name=login,
            user_display_name=title or login,
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED
            ),
            exclude_credentials=[PublicKeyCredentialDescriptor(id=base64url_to_bytes(one.id)) for one in held.passkeys],
        )
        return {"ticket": self._ticket(options.challenge, login, now), "options": _plain(options)}

    def added(self, login: str, held: Secrets, ticket: str, answer: dict[str, Any], title: str, now: float) -> Secrets:
        """Return a user's secrets with the passkey that a browser made; `InvalidError` where the answer is not good."""
        challenge, until = self._challenge(held, ticket, login, now)
        try:
            made = webauthn.verify_registration_response(
                credential=_bounded(answer),
                expected_challenge=challenge,
                expected_rp_id=self._site.host,
                expected_origin=list(self._site.origins),
                require_user_verification=True,
            )
        except WebAuthnException as error:
            raise InvalidError("The browser's answer is not a passkey for this site.", path="answer") from error
        spent = _spend(held, challenge, until, now)
        passkey = Passkey(
            id=bytes_to_base64url(made.credential_id),
            key=bytes_to_base64url(made.credential_public_key),
            count=made.sign_count,
            title=title[:60],
            added=now,
        )
        return msgspec.structs.replace(spent, passkeys=(*held.passkeys, passkey))

    def ask(self, now: float) -> dict[str, Any]:
        """Return what ``navigator.credentials.get`` needs, with ``ticket``; the passkey itself tells whose it is."""
        options = webauthn.generate_authentication_options(
            rp_id=self._site.host, user_verification=UserVerificationRequirement.REQUIRED
        )
        return {"ticket": self._ticket(options.challenge, "", now), "options": _plain(options)}

    def shown(self, held: Secrets, ticket: str, answer: dict[str, Any], now: float) -> Secrets:
        """Return the secrets of the user that `claimed` told after their passkey opened; else `DeniedError`."""
        challenge, until = self._challenge(held, ticket, "", now)
        wanted = str(answer.get("id", ""))
        passkey = next((one for one in held.passkeys if hmac.compare_digest(one.id.encode(), wanted.encode())), None)
        if passkey is None:
            raise DeniedError(_REFUSED)
        try:
            proof = webauthn.verify_authentication_response(
                credential=_bounded(answer),
                expected_challenge=challenge,
                expected_rp_id=self._site.host,
                expected_origin=list(self._site.origins),
                credential_public_key=base64url_to_bytes(passkey.key),
                credential_current_sign_count=passkey.count,
                require_user_verification=True,
            )
        except WebAuthnException as error:
            raise DeniedError(_REFUSED) from error
        spent = _spend(held, challenge, until, now)
        newer = msgspec.structs.replace(passkey, count=proof.new_sign_count)
        return msgspec.structs.replace(spent, passkeys=tuple(newer if one is passkey else one for one in held.passkeys))

    def _ticket(self, challenge: bytes, login: str, now: float) -> str:
        return self._seals.seal(f"{int(now + _LIFETIME)} {bytes_to_base64url(challenge)} {login}", _ABOUT)

    def _challenge(self, held: Secrets, ticket: str, login: str, now: float) -> tuple[bytes, int]:
        """Return a ticket's challenge, and when it is worth nothing any more; `DeniedError` where it is so already."""
        try:
            until, challenge, whose = self._seals.unseal(ticket, _ABOUT).split(" ")
        except (InvalidError, UnavailableError):
            raise DeniedError(_LATE) from None
        octets = base64url_to_bytes(challenge)
        known = _digest(octets)
        if int(until) <= now or whose != login or any(one.digest == known for one in held.spent):
            raise DeniedError(_LATE)
        return octets, int(until)


def _spend(held: Secrets, challenge: bytes, until: int, now: float) -> Secrets:
    """Return a user's secrets with a challenge that opens no more; those that time has ended are forgotten."""
    left = tuple(one for one in held.spent if one.until > now)
    if len(left) >= _SPENT:
        raise ExhaustedError("So many passkeys were shown within minutes: wait a little.")
    return msgspec.structs.replace(held, spent=(*left, Spent(digest=_digest(challenge), until=until)))


def _digest(challenge: bytes) -> str:
    return hashlib.sha256(challenge).hexdigest()


def _plain(options: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(webauthn.options_to_json(options))
    return found


def _bounded(answer: dict[str, Any]) -> str:
    text = json.dumps(answer)
    if len(text) > MAX_ANSWER:
        raise InvalidError("The browser's answer is too long.", path="answer")
    return text
