"""An app's deploy token: what git shows to the one host that it is for. Kept sealed; nobody is shown it again."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import Meta

from serai.errors import InvalidError, SeraiError
from serai.identity.seal import is_sealed
from serai.services.apps.git.source import Place, parse_place
from serai.store.contract import Seals, Spec

#: What the hosts that want any name at all besides a token take.
USERNAME = "git"
MAX_TOKEN = 4096  # characters
MAX_SEALED = 4 * MAX_TOKEN
_USERNAME = re.compile(r"[!-~]{1,100}\Z")
_TOKEN = re.compile(r"[!-~]{1,4096}\Z")
#: What is shown for a token that somehow is not sealed.
HIDDEN = "«set, hidden»"


class GitToken(Spec, frozen=True, kw_only=True):
    """A deploy token of the app of the same name, for ``host`` (``HOST`` or ``HOST:PORT``, as in a URL) alone."""

    KIND: ClassVar[str] = "gittoken"
    ACTION: ClassVar[str] = "app.env"
    EXPORTED: ClassVar[re.Pattern[str] | None] = Spec.NAME
    RETURNS: ClassVar[bool] = False  # who took it away meant that

    host: Annotated[str, Meta(max_length=300)]
    username: Annotated[str, Meta(max_length=100)] = USERNAME
    token: Annotated[str, Meta(max_length=MAX_SEALED)]

    def check(self) -> None:
        """Refuse what no git server could be shown."""
        check(self.host, self.username, None if is_sealed(self.token) else self.token)

    def app_of(self, name: str) -> str:
        """Return its name."""
        return name

    def at_rest(self, seals: Seals, tenant: str, name: str, before: Spec | None) -> GitToken:
        """Return it sealed for its host; `InvalidError` for a sealed text that is for another, or another app's."""
        about = about_of(tenant, name, self.host)
        if not is_sealed(self.token):
            if (
                isinstance(before, GitToken)
                and before.host == self.host
                and _says(seals, before.token, about, self.token)
            ):
                return msgspec.structs.replace(self, token=before.token)
            return msgspec.structs.replace(self, token=seals.seal(self.token, about))
        try:
            seals.unseal(self.token, about)
        except InvalidError:
            raise InvalidError("That was not sealed for this app and host.", path="token") from None
        return self

    @classmethod
    def hidden(cls, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return fields without a token that is not sealed."""
        token = fields.get("token")
        return fields if token is None or is_sealed(str(token)) else {**fields, "token": HIDDEN}

    def opened(self, seals: Seals, tenant: str, app: str) -> Token | None:
        """Return it in plain; None where its host is none. `UnavailableError` where the key file lacks its key."""
        place = parse_place(self.host)
        if place is None:
            return None
        return Token(place, self.username, seals.unseal(self.token, about_of(tenant, app, self.host)))

    def __repr__(self) -> str:
        """Tell the host only: a representation ends in logs and tracebacks."""
        return f"GitToken({self.host})"


class Token(msgspec.Struct, frozen=True):
    """A token in plain, for one place."""

    place: Place
    username: str
    password: str

    def __repr__(self) -> str:
        """Tell the place only."""
        return f"Token({self.place})"


def about_of(tenant: str, app: str, host: str) -> str:
    """Return what a token is about. With the host: whoever may write descriptors can't point it to another one."""
    return f"gittoken/{tenant}/{app}/{host}"


def check(host: str, username: str, token: str | None) -> None:
    """Refuse a host that is none, and names and tokens that can't be shown to one; `InvalidError` with ``path``."""
    place = parse_place(host)
    if place is None or str(place) != host:
        raise InvalidError("A host is named as in the URL, in lower case: git.example.org.", path="host")
    if not _USERNAME.match(username):
        raise InvalidError("A name has 1 to 100 visible ASCII characters.", path="username")
    if token is not None and not _TOKEN.match(token):
        raise InvalidError(f"A token has 1 to {MAX_TOKEN} visible ASCII characters.", path="token")


def _says(seals: Seals, sealed: str, about: str, plain: str) -> bool:
    try:
        return is_sealed(sealed) and seals.unseal(sealed, about) == plain
    except SeraiError:  # its key is lost: what was there can't be told, so it is sealed anew
        return False
