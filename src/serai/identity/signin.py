"""Signing in with a password and, where the user has one, a second factor.

Whatever is wrong, the answer is one and the same, and takes as long: who is a user here is nobody's business.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import msgspec

from serai.errors import ConflictError, DeniedError, InvalidError, UnavailableError
from serai.identity import bearer, sessions, totp
from serai.identity.directory import Directory
from serai.identity.passwords import Passwords
from serai.identity.people import Secrets
from serai.identity.seal import Keyring
from serai.identity.throttle import BROWSER, NETWORK, STRANGERS, Allowance, Throttle, network_of
from serai.identity.vault import Vault
from serai.store import Delete, Put, Store

_WRONG = "Login, password or code is wrong."
_DEVICE = "device"  # what the cookies of known browsers are about


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """Where a sign-in comes from. ``device`` is the cookie of a browser that signed in before."""

    address: str
    browser: str = ""
    device: str = ""


class Admitted(msgspec.Struct, frozen=True):
    """What a browser gets that signed in: the cookie of its session, and the one by which it is known later."""

    login: str
    cookie: str
    device: str


class SignIn:
    """Admit users. ``now`` is the time of day, ``monotonic`` never goes back; both in seconds."""

    def __init__(
        self,
        store: Store,
        directory: Directory,
        keyring: Keyring,
        passwords: Passwords,
        *,
        now: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        self._store = store
        self._directory = directory
        self._keyring = keyring
        self._vault = Vault(store, keyring)
        self._passwords = passwords
        self._throttle = Throttle()
        self._now = now
        self._monotonic = monotonic

    async def password(self, login: str, password: str, code: str, attempt: Attempt) -> Admitted:
        """Admit with a password and a code.

        `DeniedError` where something is wrong; with ``need`` "code" where only that is missing. `ExhaustedError` for
        who tried too often.
        """
        self._directory.check_open()
        known = self._known(login, attempt.device)
        self._check(login, attempt, known=known)
        user = self._directory.user(login)
        held, version = await self._vault.read(login) if user else (Secrets(), 0)
        right = await self._passwords.matches(held.password, password)
        if not right or user is None or user.disabled:
            raise self._refuse(login, attempt, known=known)
        changed = held
        if held.second_factor:
            if not code:
                raise DeniedError("A code is needed, too.", need="code")
            spent = spend(held, code, self._now())
            if spent is None:
                raise self._refuse(login, attempt, known=known)
            changed = spent
        if self._passwords.stale(held.password):
            changed = msgspec.structs.replace(changed, password=await self._passwords.hash(password))
        keep = [] if changed is held else [self._vault.put(login, changed, version)]
        return await self.admit(login, attempt, strong=held.second_factor, keep=keep)

    async def admit(self, login: str, attempt: Attempt, *, strong: bool, keep: list[Put]) -> Admitted:
        """Begin a session of somebody who proved who they are, and keep what the proof changed with it."""
        cookie, operations = sessions.begin(
            login,
            self._directory.sessions(login),
            address=attempt.address,
            browser=attempt.browser,
            strong=strong,
            now=self._now(),
        )
        try:
            await self._store.change(f"user:{login}", "signed in", tuple[Put | Delete, ...]([*keep, *operations]))
        except ConflictError:
            # The same code, or the same passkey's count, was spent by another attempt at this moment.
            raise DeniedError(_WRONG) from None
        self._throttle.forget(_browser(login, attempt.device))
        return Admitted(login, cookie, self._keyring.seal(f"{login}.{bearer.new_secret()}", _DEVICE))

    @contextmanager
    def proof(self, login: str, session: str) -> Iterator[None]:
        """Let somebody prove again who they are; what fails is counted by session, so that nobody else waits for it."""
        key = f"proof/{_short(login)}/{_short(session)}"
        self._throttle.check(key, BROWSER, self._monotonic())
        try:
            yield
        except DeniedError:
            self._throttle.failed(key, BROWSER, self._monotonic())
            raise
        self._throttle.forget(key)

    def _known(self, login: str, device: str) -> bool:
        """Tell whether a browser has signed in to this account before."""
        if not device or len(device) > 500:
            return False
        try:
            return hmac.compare_digest(self._keyring.unseal(device, _DEVICE).rpartition(".")[0], login)
        except (InvalidError, UnavailableError, TypeError):
            return False

    def _buckets(self, login: str, attempt: Attempt, *, known: bool) -> list[tuple[str, Allowance]]:
        account = (_browser(login, attempt.device), BROWSER) if known else (f"strangers/{_short(login)}", STRANGERS)
        network = network_of(attempt.address)
        return [account, *([(f"network/{network}", NETWORK)] if network else [])]

    def _check(self, login: str, attempt: Attempt, *, known: bool) -> None:
        for key, allowance in self._buckets(login, attempt, known=known):
            self._throttle.check(key, allowance, self._monotonic())

    def _refuse(self, login: str, attempt: Attempt, *, known: bool) -> DeniedError:
        for key, allowance in self._buckets(login, attempt, known=known):
            self._throttle.failed(key, allowance, self._monotonic())
        return DeniedError(_WRONG)


def spend(held: Secrets, code: str, now: float) -> Secrets | None:
    """Return a user's secrets after a one-time code or a recovery code was spent; None where it is neither."""
    step = totp.accepted(held.totp, code, now, held.step)
    if step is not None:
        return msgspec.structs.replace(held, step=step)
    given = bearer.digest(code.replace("-", "").replace(" ", "").lower())
    left = tuple(kept for kept in held.recovery if not hmac.compare_digest(kept, given))
    return msgspec.structs.replace(held, recovery=left) if len(left) < len(held.recovery) else None


def _browser(login: str, device: str) -> str:
    return f"browser/{_short(login)}/{_short(device)}"


def _short(text: str) -> str:
    """Return a key of bounded size, whatever was sent."""
    return hashlib.blake2s(text.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()
