"""An app's environment variables: a descriptor of their own, since their values are for few eyes.

Values lie sealed in the store, with all its history and copies. They are opened where a program of the app starts, and
where people ask for one that was set to be shown. Sealed texts of the others open for no entrance.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import msgspec

from serai.daemon.home import Home
from serai.errors import InvalidError, NotFoundError, SeraiError
from serai.identity.seal import is_sealed, open_keyring
from serai.store import Store
from serai.store.contract import Seals, Spec

MAX_VARIABLES = 256
MAX_VALUE = 32768  # characters
MAX_SEALED = 6 * MAX_VALUE  # characters: up to 4 octets for each, in base64, and what is around them
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}\Z")
#: What the platform says itself, and what would change how programs are loaded inside the sandbox before they run.
RESERVED = frozenset({"PORT", "HOST", "DATA_DIR", "APP_NAME", "RELEASE", "SERAI_SOCKET", "LD_PRELOAD", "LD_AUDIT"})
#: What is shown for a value that was written by code that did not seal; it can't be set.
HIDDEN = "«set, hidden»"


class Told(dict[str, str]):
    """Values as a program is told them. A representation ends in logs and tracebacks: it tells names only."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Tell names only."""
        return f"Told({', '.join(sorted(self))})"


class Variables(Spec, frozen=True, kw_only=True):
    """What every process of an app is told, under the app's own name.

    ``values`` are sealed (older code wrote plain ones, which the next write seals); ``shown`` names those that people
    may see again. Values are never logged, and never part of a task, a reason or an argument vector.
    """

    KIND: ClassVar[str] = "variables"
    ACTION: ClassVar[str] = "app.env"
    EXPORTED: ClassVar[re.Pattern[str] | None] = Spec.NAME

    values: dict[str, str] = msgspec.field(default_factory=dict)
    shown: tuple[str, ...] = ()

    def check(self) -> None:
        """Refuse names and values that no environment can hold, or that are the platform's own."""
        check_variables(self.values)
        for name in self.shown:
            if name not in self.values:
                raise InvalidError("It has no value that could be shown.", path=f"shown.{name[:64]}")

    def app_of(self, name: str) -> str:
        """Return its name."""
        return name

    def at_rest(self, seals: Seals, tenant: str, name: str, before: Spec | None) -> Variables:
        """Return these with all values sealed; those that say what ``before`` said stay the same text.

        `InvalidError` for a sealed text that belongs elsewhere. One of a hidden value never opens as a shown one.
        """
        old = before if isinstance(before, Variables) else Variables()
        values = {}
        for key, value in self.values.items():
            about = about_of(tenant, name, key, shown=key in self.shown)
            was = old.values.get(key, "") if (key in old.shown) == (key in self.shown) else ""
            values[key] = was if is_sealed(was) and value == was else _sealed(seals, about, key, value, was)
        return Variables(values=values, shown=tuple(sorted(set(self.shown))))

    @classmethod
    def hidden(cls, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return fields without the values that are not sealed."""
        values = fields.get("values")
        if not isinstance(values, Mapping):
            return fields
        return {**fields, "values": {key: one if is_sealed(str(one)) else HIDDEN for key, one in values.items()}}

    def opened(self, seals: Seals, tenant: str, app: str) -> Told:
        """Return the values in plain; `UnavailableError` where the key file lacks a key."""
        return Told({key: self.open(seals, tenant, app, key) for key in self.values})

    def open(self, seals: Seals, tenant: str, app: str, name: str) -> str:
        """Return one value in plain."""
        value = self.values[name]
        return seals.unseal(value, about_of(tenant, app, name, shown=name in self.shown)) if is_sealed(value) else value

    def __repr__(self) -> str:
        """Tell names only: a representation ends in logs and tracebacks."""
        return f"Variables({', '.join(sorted(self.values))})"


def about_of(tenant: str, app: str, name: str, *, shown: bool) -> str:
    """Return what a value is about; no name of a variable holds a slash."""
    return f"variables/{tenant}/{app}/{name}{'/shown' if shown else ''}"


def told(home: Path, spec: Variables, tenant: str, app: str) -> Told:
    """Return what a program of the app is told. It is asked for on the app's host, at the moment when one starts."""
    if not any(is_sealed(value) for value in spec.values.values()):
        return Told(spec.values)
    return spec.opened(open_keyring(Home(home).keys), tenant, app)


async def stored(store: Store, tenant: str, app: str) -> tuple[Variables, int]:
    """Return an app's variables and their version, 0 where none were ever set."""
    try:
        record = await store.get(Variables, tenant, app)
    except NotFoundError:
        return Variables(), 0
    return record.spec, record.version


def check_variables(values: Mapping[str, str | None]) -> None:
    """Refuse names and values that no environment can hold, or that are the platform's own."""
    if len(values) > MAX_VARIABLES:
        raise InvalidError(f"An app has at most {MAX_VARIABLES} variables.", path="env")
    for name, value in values.items():
        path = f"env.{name[:64]}"
        if not NAME.match(name):
            raise InvalidError("A variable's name has letters, digits and _ only.", path=path)
        if name in RESERVED:
            raise InvalidError(f"{name} is set by the platform.", path=path)
        if value is not None:
            _check_value(value, path)


def _check_value(value: str, path: str) -> None:
    most = MAX_SEALED if is_sealed(value) else MAX_VALUE
    if len(value) > most or "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
        raise InvalidError(f"A value has at most {MAX_VALUE} characters, and no NUL.", path=path)
    if value == HIDDEN:
        raise InvalidError("That stands for a value that is not shown: it can't be one.", path=path)


def _sealed(seals: Seals, about: str, name: str, value: str, was: str) -> str:
    """Return a value sealed: as it was where it says the same."""
    if is_sealed(value):
        try:
            _check_value(seals.unseal(value, about), f"env.{name[:64]}")
        except InvalidError:
            raise InvalidError("That was not sealed for this variable.", path=f"env.{name[:64]}") from None
        return value
    return was if _says(seals, was, about, value) else seals.seal(value, about)


def _says(seals: Seals, sealed: str, about: str, value: str) -> bool:
    try:
        return is_sealed(sealed) and seals.unseal(sealed, about) == value
    except SeraiError:  # its key is lost: what was there can't be told, so it is written anew
        return False
