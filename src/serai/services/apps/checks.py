"""What names and values people may give to an app."""

from __future__ import annotations

import re
from collections.abc import Mapping

from serai.errors import InvalidError
from serai.services.apps.descriptors import HOST_NAME, VARIABLE

MAX_VARIABLES = 256
MAX_VALUE = 32768  # characters
#: What the platform says itself, and what would change how programs are loaded inside the sandbox before they run.
RESERVED = frozenset({"PORT", "HOST", "DATA_DIR", "APP_NAME", "RELEASE", "LD_PRELOAD", "LD_AUDIT"})


def check_name(path: str, pattern: re.Pattern[str], value: str) -> str:
    """Return a name, or raise `InvalidError` where it does not match."""
    if not isinstance(value, str) or not pattern.match(value):
        raise InvalidError(f"That is no valid name for {path}: letters a-z, digits and - only.", path=path)
    return value


def check_number(release: int) -> int:
    """Return a release's number, or raise `InvalidError`."""
    if not 1 <= release <= 999_999_999:
        raise InvalidError("A release is a number from 1.", path="release")
    return release


def check_host_name(host: str) -> str:
    """Return a host name in its only form (RFC 1123 section 2.1, lower case, A-labels), or raise `InvalidError`."""
    if not HOST_NAME.match(host):
        raise InvalidError("That is no host name: a-z, 0-9, - and dots; no address, no port.", path="host")
    return host


def check_variables(values: Mapping[str, str | None]) -> None:
    """Refuse names and values that no environment can hold, or that are the platform's own."""
    if len(values) > MAX_VARIABLES:
        raise InvalidError(f"An app has at most {MAX_VARIABLES} variables.", path="env")
    for name, value in values.items():
        path = f"env.{name[:64]}"
        if not VARIABLE.match(name):
            raise InvalidError("A variable's name has letters, digits and _ only.", path=path)
        if name in RESERVED:
            raise InvalidError(f"{name} is set by the platform.", path=path)
        if value is not None and (len(value) > MAX_VALUE or "\0" in value or _lone_surrogate(value)):
            raise InvalidError(f"A value has at most {MAX_VALUE} characters, and no NUL.", path=path)


def _lone_surrogate(value: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in value)
