"""Users, what they may do where, and what they prove it with."""

from __future__ import annotations

import re
from typing import ClassVar

import msgspec

from serai.errors import InvalidError
from serai.identity.principals import Scope
from serai.identity.roles import check_patterns
from serai.store.contract import Spec

_LOGIN = r"[a-z](?:[a-z0-9.-]{0,30}[a-z0-9])?"
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_EMAIL = re.compile(r"[^\s@<>\"\\,;:()\[\]\x00-\x20\x7f]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,250}[A-Za-z0-9])?\Z")


class User(Spec, frozen=True, kw_only=True):
    """A person, by login (tenant ""). What they prove themselves with is a kind of its own, which nothing shows."""

    KIND: ClassVar[str] = "user"
    # «nobody» and «root» are in the history already, as whom they always were.
    NAME: ClassVar[re.Pattern[str]] = re.compile(rf"(?!(?:nobody|root)\Z){_LOGIN}\Z")
    EXPORTED: ClassVar[re.Pattern[str] | None] = NAME

    email: str = ""
    title: str = ""  # as they want to be called
    disabled: bool = False

    def check(self) -> None:
        """Refuse an address that can't be one."""
        if self.email and not _EMAIL.match(self.email):
            raise InvalidError("That is not an e-mail address.", path="$.email")


class Member(Spec, frozen=True, kw_only=True):
    """What a user may do in a tenant ("" is the platform), under the user's login, or ``LOGIN:APP`` for one app."""

    KIND: ClassVar[str] = "member"
    NAME: ClassVar[re.Pattern[str]] = re.compile(rf"{_LOGIN}(?::{_LABEL})?\Z")
    EXPORTED: ClassVar[re.Pattern[str] | None] = NAME

    role: str


class CustomRole(Spec, frozen=True, kw_only=True):
    """A role of a tenant's own, or ("") of the whole platform."""

    KIND: ClassVar[str] = "role"
    NAME: ClassVar[re.Pattern[str]] = re.compile(_LABEL + r"\Z")
    EXPORTED: ClassVar[re.Pattern[str] | None] = NAME

    actions: tuple[str, ...]
    title: str = ""

    def check(self) -> None:
        """Refuse patterns that name no action."""
        check_patterns(self.actions, "$.actions")


class Token(Spec, frozen=True, kw_only=True):
    """A way for programs to act for a user: never more than the user may, and only within ``scope``.

    ``digest`` is of its secret, which nobody can show again. Times are seconds since the epoch; 0: it does not expire.
    """

    KIND: ClassVar[str] = "token"
    NAME: ClassVar[re.Pattern[str]] = re.compile(_LABEL + r"\Z")

    user: str
    digest: str
    scope: Scope
    title: str = ""
    created: float = 0.0
    expires: float = 0.0


class TokenUse(Spec, frozen=True, kw_only=True):
    """When and from where a token was last used, to the hour; under the token's name."""

    KIND: ClassVar[str] = "token-use"

    at: float
    address: str = ""


class Session(Spec, frozen=True, kw_only=True):
    """A browser that a user signed in with (tenant ""); ``strong`` says that a second factor or a passkey was shown."""

    KIND: ClassVar[str] = "session"

    user: str
    digest: str
    created: float
    expires: float
    address: str = ""
    browser: str = ""
    strong: bool = False


class Invitation(Spec, frozen=True, kw_only=True):
    """A role that waits for the person with an address; the digest is of the secret in the link.

    ``inviter`` is a login, "" for the operator at the machine itself.
    """

    KIND: ClassVar[str] = "invitation"
    NAME: ClassVar[re.Pattern[str]] = re.compile(_LABEL + r"\Z")

    email: str
    role: str
    digest: str
    expires: float
    app: str = ""
    inviter: str = ""

    def check(self) -> None:
        """Refuse an address that can't be one."""
        if not _EMAIL.match(self.email):
            raise InvalidError("That is not an e-mail address.", path="$.email")


class Reset(Spec, frozen=True, kw_only=True):
    """A link by which a user sets a new password once; under the login (tenant ""). No entrance shows it."""

    KIND: ClassVar[str] = "reset"

    digest: str
    expires: float


class Credentials(Spec, frozen=True, kw_only=True):
    """What a user proves themselves with, sealed; under the login (tenant ""). No entrance shows it."""

    KIND: ClassVar[str] = "credentials"

    sealed: str


#: What the API shows and takes as descriptors like all others, and what has verbs of its own instead.
OPEN_KINDS: tuple[type[Spec], ...] = (User, Member, CustomRole)
CLOSED_KINDS: tuple[type[Spec], ...] = (Token, TokenUse, Session, Invitation, Reset, Credentials)


def same_address(one: str, other: str) -> bool:
    """Compare e-mail addresses as people mean them: the domain in any case (RFC 5321 section 2.4), the rest too."""
    return one.strip().casefold() == other.strip().casefold()


class Passkey(msgspec.Struct, frozen=True, kw_only=True):
    """A public key credential (WebAuthn level 3, section 4); ID and key in base64url."""

    id: str
    key: str
    count: int
    title: str = ""
    added: float = 0.0


class Spent(msgspec.Struct, frozen=True, kw_only=True):
    """A passkey's challenge that opens no more, by its digest, until time (seconds since the epoch) has ended it."""

    digest: str
    until: int


class Secrets(msgspec.Struct, frozen=True, kw_only=True):
    """What is sealed in `Credentials`.

    The password's hash, the TOTP secret and its last spent step, digests of recovery codes, passkeys and
    what was spent of their challenges; ``pending`` is a TOTP secret that was shown and not yet confirmed.
    """

    password: str = ""
    totp: str = ""
    step: int = 0
    pending: str = ""
    recovery: tuple[str, ...] = ()
    passkeys: tuple[Passkey, ...] = ()
    spent: tuple[Spent, ...] = ()

    def __repr__(self) -> str:
        """Tell nothing."""
        return "Secrets()"

    def factors(self) -> list[str]:
        """Return what there is, as people read it; nothing of what it is."""
        return [
            *(["password"] if self.password else []),
            *(["totp"] if self.totp else []),
            *[f"passkey {one.title}".strip() for one in self.passkeys],
            *([f"{len(self.recovery)} recovery codes"] if self.recovery else []),
        ]

    @property
    def second_factor(self) -> bool:
        """Whether a password alone is not enough."""
        return bool(self.totp)
