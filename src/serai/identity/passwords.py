"""Passwords: hashed with Argon2id (RFC 9106), compared in constant time, never kept or logged.

Each hash takes 64 MiB, so a few at once are all that a host should compute: others wait for their turn. The parameters
are the second recommended ones of RFC 9106 section 4 but for the lanes: one is no weaker for the same memory, and takes
one processor from who is being served.
"""

from __future__ import annotations

import asyncio
import os
import unicodedata

import msgspec

from serai.errors import InvalidError

SHORTEST = 12  # characters
LONGEST = 256
AT_ONCE = 2  # hashes computed side by side; each takes 64 MiB for a moment


class Cost(msgspec.Struct, frozen=True):
    """What one hash takes: KiB of memory, and passes over it."""

    memory: int = 64 * 1024
    passes: int = 3

    @property
    def prefix(self) -> str:
        """Return how a hash of this cost begins, in the PHC string format."""
        return f"$argon2id$v=19$m={self.memory},t={self.passes},p=1$"


class Passwords:
    """Hash and compare, in threads, few at once."""

    def __init__(self, cost: Cost | None = None, *, at_once: int = AT_ONCE) -> None:
        self._cost = cost or Cost()
        self._turn = asyncio.Semaphore(at_once)
        # Of no password: unknown people are compared with it, so that they take as long as known ones.
        self._nobody = self._cost.prefix + "c2VyYWktbm9ib2R5LXNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

    async def hash(self, password: str) -> str:
        """Return a password's hash in the PHC string format; `InvalidError` for one that is too weak."""
        check_password(password)
        async with self._turn:
            return await asyncio.to_thread(_hash, normal(password), self._cost)

    async def matches(self, encoded: str, password: str) -> bool:
        """Compare; "" stands for somebody without a password, and takes as long."""
        if len(password) > LONGEST:
            password = ""
        async with self._turn:
            return await asyncio.to_thread(_matches, encoded or self._nobody, normal(password)) and bool(encoded)

    def stale(self, encoded: str) -> bool:
        """Tell whether a hash has other parameters than those of today."""
        return not encoded.startswith(self._cost.prefix)


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


# The library is imported by who uses it: a host has a worker that could, and hardly ever does.


def _hash(password: str, cost: Cost) -> str:
    from argon2.low_level import Type, hash_secret  # noqa: PLC0415 - see above

    secret, salt = password.encode("utf-8", "surrogatepass"), os.urandom(16)
    return hash_secret(secret, salt, cost.passes, cost.memory, parallelism=1, hash_len=32, type=Type.ID).decode()


def _matches(encoded: str, password: str) -> bool:
    from argon2.exceptions import InvalidHashError, VerificationError  # noqa: PLC0415 - see above
    from argon2.low_level import Type, verify_secret  # noqa: PLC0415

    try:
        return verify_secret(encoded.encode(), password.encode("utf-8", "surrogatepass"), Type.ID)
    except (VerificationError, InvalidHashError):
        return False
