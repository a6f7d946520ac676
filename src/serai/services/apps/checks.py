"""What names and values people may give to an app."""

from __future__ import annotations

import re

from serai.errors import InvalidError
from serai.services.apps.descriptors import HOST_NAME


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
