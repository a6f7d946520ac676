"""A form that could not be taken yet: it goes along with the pages on which somebody signs in, until it is sent.

Nothing is kept here. What was typed stands in hidden fields of those pages; what is secret stands there sealed, under a
key that is nowhere but in a cookie of the same browser, which scripts can't read. It opens only for whoever opened the
form, and only with all else as it was typed: nobody can have it sent elsewhere, or with a box ticked that shows it.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterable

import msgspec

from serai.console.forms import TOKEN, Form, Pairs
from serai.errors import SeraiError
from serai.identity.seal import Keyring

COOKIE = "__Host-serai-kept"  # by its prefix no other host below BASE can set it (RFC 6265's revision, 4.1.3.2)
SECONDS = 86400  # that a secret can be sent after it was typed; later it is typed again
#: Fields of our own, by names that no struct has: what is sealed, the names of what is in it, those of them that take
#: more than a line, who opened the form, and the name of a file that was chosen.
SEALED, SECRET, BOX, BY, FILE = "-sealed", "-secret", "-box", "-by", "-file"
OWN = frozenset({SEALED, SECRET, BOX, BY, FILE})
_LINE = 4096  # characters: a secret that may be longer is typed into a box
_KEY = 32  # octets


class Carried(msgspec.Struct, frozen=True):
    """A form on its way: where it goes, its hidden fields, and the names of secrets that are to be typed again."""

    action: str
    pairs: Pairs = ()
    missing: tuple[str, ...] = ()

    @property
    def shown(self) -> Pairs:
        """Return what was typed, as a page may show it."""
        kept = [(name, "kept, and not shown") for name in self.all(SECRET) if name not in self.missing]
        return (*typed(self.pairs), *kept)

    @property
    def by(self) -> str:
        """Return who opened the form, as far as it said so."""
        return self._one(BY) or ""

    @property
    def file(self) -> str | None:
        """Return the name of the file that was chosen with it, "" where none was; None for a form without a file."""
        return self._one(FILE)

    @property
    def boxes(self) -> tuple[str, ...]:
        """Return which secrets take more than a line."""
        return self.all(BOX)

    def all(self, name: str) -> tuple[str, ...]:
        """Return all values of a field."""
        return tuple(value for key, value in self.pairs if key == name)

    def _one(self, name: str) -> str | None:
        return next(iter(self.all(name)), None)


def typed(pairs: Iterable[tuple[str, str]]) -> Pairs:
    """Return a form's fields without our own."""
    return tuple((name, value) for name, value in pairs if name not in OWN)


def key_of(cookie: str) -> bytes:
    """Return the key that a cookie holds, a new one where it holds none."""
    try:
        key = base64.urlsafe_b64decode(cookie + "=" * (-len(cookie) % 4))
    except ValueError:
        key = b""
    return key if len(key) == _KEY else secrets.token_bytes(_KEY)


def as_cookie(key: bytes) -> str:
    """Return a key as a cookie's value."""
    return base64.urlsafe_b64encode(key).rstrip(b"=").decode()


def carry(kind: type[msgspec.Struct], action: str, pairs: Pairs, by: str, key: bytes) -> Carried:
    """Return a form as it goes along; what came sealed stays so, with whose it is."""
    notes = tuple((name, value) for name, value in pairs if name in OWN)
    form = Form(kind, typed(pairs))
    plain, hidden = form.typed(), form.typed(secret=True)
    if not any(name == SEALED for name, _ in notes):
        kept = [(name, value) for name, value in notes if name == FILE]
        names = dict.fromkeys(name for name, _ in hidden)
        notes = (*kept, *([(BY, by)] if by else ()), *((SECRET, name) for name in names))
        notes += tuple((BOX, name) for name in names if (form.longest(name) or _LINE + 1) > _LINE)
        if hidden:
            text = msgspec.json.encode(hidden).decode()
            notes += ((SEALED, _ring(key).seal(text, _about(action, by, plain))),)
    return Carried(action, (*plain, *notes))


def opened(found: Carried, login: str, key: bytes) -> Pairs | None:
    """Return the secrets of a form, () where it has none; None where they don't open for ``login`` with this key."""
    sealed = found.all(SEALED)
    if not sealed:
        return ()
    if found.by not in {"", login}:
        return None
    try:
        text = _ring(key).unseal(sealed[0], _about(found.action, found.by, typed(found.pairs)))
        return msgspec.json.decode(text, type=tuple[tuple[str, str], ...])
    except (SeraiError, msgspec.DecodeError):
        return None


def offered(found: Carried, login: str, key: bytes) -> Carried:
    """Return a form as ``login`` may send it: secrets that don't open for them are to be typed again."""
    if opened(found, login, key) is not None:
        return found
    kept = tuple((name, value) for name, value in found.pairs if name != SEALED)
    return Carried(found.action, kept, found.all(SECRET))


def _ring(key: bytes) -> Keyring:
    return Keyring({"form": key})


def _about(action: str, by: str, plain: Pairs) -> str:
    return msgspec.json.encode([action, by, [pair for pair in plain if pair[0] != TOKEN]]).decode()
