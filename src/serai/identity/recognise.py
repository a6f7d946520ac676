"""From what a request shows to a principal: an API token, a host's key, or the cookie of a session."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import msgspec

from serai.errors import NotFoundError
from serai.identity import bearer
from serai.identity.directory import Directory
from serai.identity.hosts import MARK
from serai.identity.people import Session, Token
from serai.identity.principals import Grant, Principal

MOST = 1000  # principals that are remembered
_NOBODY = bearer.digest("")  # what a secret is compared with where nothing has its name
_EVER = float("inf")


class _Known(msgspec.Struct, frozen=True):
    """Somebody who was recognised, and until when what they showed holds (seconds since the epoch)."""

    principal: Principal
    until: float


class Recogniser:
    """Tell who shows what. Nobody (None) is the answer to all that does not hold: its reason is nobody's business.

    `UnavailableError` where that can't be told, since nobody is known yet.

    Whoever shows the same from the same address again is known already, until that expires or anything changes in the
    directory: with that very commit all are looked up anew.
    """

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._known: dict[bytes, _Known] = {}
        self._version = directory.version

    def token(self, text: str, address: str, now: float) -> Principal | None:
        """Recognise an API token, or a host by its key, shown from an address."""
        return self._recall("token", self._token, text, address, now)

    def session(self, cookie: str, address: str, now: float) -> Principal | None:
        """Recognise a session by its cookie ``NAME.SECRET``."""
        return self._recall("session", self._session, cookie, address, now)

    def _recall(
        self, kind: str, look: Callable[[str, str, float], _Known | None], text: str, address: str, now: float
    ) -> Principal | None:
        if self._version != self._directory.version:
            self._version = self._directory.version
            self._known.clear()
        # By a digest: no secret is kept, and how long the search takes tells nothing of one.
        key = hashlib.sha256(f"{kind}\0{address}\0{text}".encode("utf-8", "surrogatepass")).digest()
        known = self._known.get(key)
        if known is None or known.until <= now:
            known = look(text, address, now)
            if known is None:
                self._directory.check_open()
                return None
            if len(self._known) >= MOST:
                self._known.clear()
            self._known[key] = known
        return known.principal

    def _token(self, text: str, address: str, now: float) -> _Known | None:
        shown = bearer.read(text)
        if shown is None:
            return None
        if shown.tenant == MARK:
            return self._host(shown, address)
        token = self._directory.token(shown.tenant, shown.name)
        if not bearer.proves(shown.secret, token.digest if token else _NOBODY) or token is None:
            return None
        if self._expired(token, now) or not self._active(token.user) or not token.scope.admits_address(address):
            return None
        principal = Principal(
            kind="token",
            name=f"{shown.tenant or '-'}/{shown.name}",
            grants=self._directory.grants(token.user),
            scope=token.scope,
            user=token.user,
            address=address,
        )
        return _Known(principal, token.expires or _EVER)

    def _host(self, shown: bearer.Bearer, address: str) -> _Known | None:
        host = self._directory.host(shown.name)
        if not bearer.proves(shown.secret, host.digest if host else _NOBODY) or host is None:
            return None
        return _Known(Principal(kind="host", name=shown.name, grants=(Grant("host"),), address=address), _EVER)

    def _session(self, cookie: str, address: str, now: float) -> _Known | None:
        name, _, secret = cookie.partition(".")
        session = self._directory.session(name) if len(cookie) <= 200 else None
        if not bearer.proves(secret, session.digest if session else _NOBODY) or session is None:
            return None
        if self._expired(session, now) or not self._active(session.user):
            return None
        return _Known(self.user(session.user, address, strong=session.strong), session.expires or _EVER)

    def user(self, login: str, address: str = "", *, strong: bool = False) -> Principal:
        """Return a user's principal; `NotFoundError` where there is no such user, or it is disabled."""
        if not self._active(login):
            raise NotFoundError("There is no such user.", user=login[:64])
        return Principal(
            kind="user", name=login, grants=self._directory.grants(login), user=login, address=address, strong=strong
        )

    def _active(self, login: str) -> bool:
        user = self._directory.user(login)
        return user is not None and not user.disabled

    @staticmethod
    def _expired(one: Token | Session, now: float) -> bool:
        return 0 < one.expires <= now
