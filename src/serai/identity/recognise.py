"""From what a request shows to a principal: an API token, or the cookie of a session."""

from __future__ import annotations

from serai.errors import NotFoundError
from serai.identity import bearer
from serai.identity.directory import Directory
from serai.identity.people import Session, Token
from serai.identity.principals import Principal

_NOBODY = bearer.digest("")  # what a secret is compared with where nothing has its name


class Recogniser:
    """Tell who shows what. Nobody (None) is the answer to all that does not hold: its reason is nobody's business."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    def token(self, text: str, address: str, now: float) -> Principal | None:
        """Recognise an API token, shown from an address."""
        shown = bearer.read(text)
        if shown is None:
            return None
        token = self._directory.token(shown.tenant, shown.name)
        if not bearer.proves(shown.secret, token.digest if token else _NOBODY) or token is None:
            return None
        if self._expired(token, now) or not self._active(token.user) or not token.scope.admits_address(address):
            return None
        return Principal(
            kind="token",
            name=f"{shown.tenant or '-'}/{shown.name}",
            grants=self._directory.grants(token.user),
            scope=token.scope,
            user=token.user,
            address=address,
        )

    def session(self, cookie: str, address: str, now: float) -> Principal | None:
        """Recognise a session by its cookie ``NAME.SECRET``."""
        name, _, secret = cookie.partition(".")
        session = self._directory.session(name) if len(cookie) <= 200 else None
        if not bearer.proves(secret, session.digest if session else _NOBODY) or session is None:
            return None
        if self._expired(session, now) or not self._active(session.user):
            return None
        return self.user(session.user, address, strong=session.strong)

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
