"""An app's environment variables: a descriptor of their own, since their values are for few eyes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import ClassVar

import msgspec

from serai.errors import InvalidError, NotFoundError
from serai.store import Store
from serai.store.contract import Spec

MAX_VARIABLES = 256
MAX_VALUE = 32768  # characters
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}\Z")
#: What the platform says itself, and what would change how programs are loaded inside the sandbox before they run.
RESERVED = frozenset({"PORT", "HOST", "DATA_DIR", "APP_NAME", "RELEASE", "SERAI_SOCKET", "LD_PRELOAD", "LD_AUDIT"})


class Variables(Spec, frozen=True, kw_only=True):
    """What every process of an app is told, under the app's own name.

    Values are never logged, and never part of a task, a reason or an argument vector. Whoever may not ``app.env`` sees
    neither them nor what they were.
    """

    KIND: ClassVar[str] = "variables"
    ACTION: ClassVar[str] = "app.env"

    values: dict[str, str] = msgspec.field(default_factory=dict)

    def check(self) -> None:
        """Refuse names and values that no environment can hold, or that are the platform's own."""
        check_variables(self.values)

    def __repr__(self) -> str:
        """Tell names only: a representation ends in logs and tracebacks."""
        return f"Variables({', '.join(sorted(self.values))})"


async def read(store: Store, tenant: str, app: str) -> Mapping[str, str]:
    """Return the variables of an app; none where none were ever set."""
    return (await stored(store, tenant, app))[0].values


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
        if value is not None and (len(value) > MAX_VALUE or "\0" in value or _lone_surrogate(value)):
            raise InvalidError(f"A value has at most {MAX_VALUE} characters, and no NUL.", path=path)


def _lone_surrogate(value: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in value)
