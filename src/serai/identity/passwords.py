"""Passwords: hashed with Argon2id (RFC 9106), compared in constant time, never kept or logged.

The parameters are the second recommended ones of RFC 9106 section 4 (64 MiB, 3 passes, 4 lanes), so a few at once are
all that a host should compute: others wait for their turn.
"""

from __future__ import annotations

import asyncio
import os
import unicodedata

from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from serai.errors import InvalidError

SHORTEST = 12  # characters
LONGEST = 256
AT_ONCE = 2  # hashes computed side by side; each takes 64 MiB for a quarter of a second

_MEMORY = 64 * 1024  # KiB
_PASSES = 3
_LANES = 4
_PREFIX = f"$argon2id$v=19$m={_MEMORY},t={_PASSES},p={_LANES}$"
# Of no password: unknown people are compared with it, so that they take as long as known ones.
_NOBODY = _PREFIX + "c2VyYWktbm9ib2R5LXNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"


class Passwords:
    """Hash and compare, in threads, few at once."""

    def __init__(self, at_once: int = AT_ONCE) -> None:
        self._turn = asyncio.Semaphore(at_once)

    async def hash(self, password: str) -> str:
        """Return a password's hash in the PHC string format; `InvalidError` for one that is too weak."""
        check_password(password)
        async with self._turn:
            return await asyncio.to_thread(_hash, normal(password))

    async def matches(self, encoded: str, password: str) -> bool:
        """Compare; "" stands for somebody without a password, and takes as long."""
        if len(password) > LONGEST:
            password = ""
        async with self._turn:
            return await asyncio.to_thread(_matches, encoded or _NOBODY, normal(password)) and bool(encoded)


def stale(encoded: str) -> bool:
    """Tell whether a hash has older parameters than those of today."""
    return not encoded.startswith(_PREFIX)


def check_password(password: str, *others: str) -> None:
    """Refuse what can be guessed; ``others`` are texts that are no password for this person, such as their name."""
    if not SHORTEST <= len(normal(password)) <= LONGEST or len(password) > LONGEST:
        raise InvalidError(f"A password has {SHORTEST} to {LONGEST} characters.", path="password")
    folded = normal(password).casefold()
    if len(set(folded)) < 5 or any(other and other.casefold() in folded for other in others):
        raise InvalidError("That password is too easy to guess.", path="password")


def normal(password: str) -> str:
    """Return the form in which keyboards of all kinds agree (NFKC, as NIST SP 800-63B section 3.1.1.2 says)."""
    return unicodedata.normalize("NFKC", password)


def _hash(password: str) -> str:
    kdf = Argon2id(salt=os.urandom(16), length=32, iterations=_PASSES, lanes=_LANES, memory_cost=_MEMORY)
    return kdf.derive_phc_encoded(password.encode("utf-8", "surrogatepass"))


def _matches(encoded: str, password: str) -> bool:
    try:
        Argon2id.verify_phc_encoded(password.encode("utf-8", "surrogatepass"), encoded)
    except InvalidKey:
        return False
    return True
