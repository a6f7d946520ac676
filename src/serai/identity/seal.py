"""Seal secrets for rest: authenticated encryption with keys from a file that the store, and its backups, never hold.

A sealed text is ``sealed:KEY:DATA``: the ID of its key, and nonce with ciphertext and tag in base64url. AES-256-GCM
with random nonces (NIST SP 800-38D section 8.2.2). What a secret is about (``variables/demo/shop/TOKEN``) is
authenticated with it, so that a sealed text copied to another place does not open there.
"""

from __future__ import annotations

import base64
import os
import secrets
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from serai.errors import InternalError, InvalidError, UnavailableError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_MARK = "sealed"
_NONCE = 12  # octets
_KEY = 32  # octets


class _Key:
    """One key; the library behind it is imported for the first secret, which most processes never see."""

    def __init__(self, octets: bytes) -> None:
        self._octets = octets

    @cached_property
    def cipher(self) -> AESGCM:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - see the class

        return AESGCM(self._octets)

    def open(self, data: bytes, about: bytes) -> bytes:
        """Return what was encrypted; ValueError where it was changed."""
        cipher = self.cipher
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - see the class

        try:
            return cipher.decrypt(data[:_NONCE], data[_NONCE:], about)
        except InvalidTag:
            raise ValueError("the tag is another") from None


class Keyring:
    """Seal with the newest key, open with any. Made by `open_keyring`; ``path`` is the file that the keys are from."""

    def __init__(self, keys: dict[str, bytes], path: Path | None = None) -> None:
        self.path = path
        self._take(keys)

    def _take(self, keys: dict[str, bytes]) -> None:
        if not keys:
            raise InternalError("A keyring has at least one key.")
        self._newest = next(iter(keys))
        self._keys = {name: _Key(key) for name, key in keys.items()}

    def renew(self) -> None:
        """Read the key file again, where there is one; `UnavailableError` where it can't be read."""
        if self.path is not None:
            self._take(read_keys(self.path))

    def __repr__(self) -> str:
        """Tell how many keys there are, and no key."""
        return f"Keyring({len(self._keys)} keys)"

    def seal(self, plain: str, about: str) -> str:
        """Return a sealed text that opens only for the same ``about``."""
        nonce = os.urandom(_NONCE)
        data = nonce + self._keys[self._newest].cipher.encrypt(
            nonce, plain.encode("utf-8", "surrogatepass"), about.encode()
        )
        return f"{_MARK}:{self._newest}:{base64.urlsafe_b64encode(data).decode()}"

    def unseal(self, sealed: str, about: str) -> str:
        """Return what was sealed.

        `UnavailableError` where the key file lacks its key, `InvalidError` where it was changed or is about another.
        """
        mark, _, rest = sealed.partition(":")
        name, _, text = rest.partition(":")
        if mark != _MARK:
            raise InvalidError("That is not a sealed text.")
        if name not in self._keys:
            self.renew()  # another process may have made a new key
        key = self._keys.get(name)
        if key is None:
            raise UnavailableError("The key file lacks the key of a secret.", temporary=False, key=name[:16])
        try:
            data = base64.urlsafe_b64decode(text)
            return key.open(data, about.encode()).decode("utf-8", "surrogatepass")
        except ValueError:
            raise InvalidError("A sealed text was changed, or belongs elsewhere.") from None

    def stale(self, sealed: str) -> bool:
        """Tell whether a sealed text should be sealed anew with the newest key."""
        return not sealed.startswith(f"{_MARK}:{self._newest}:")


def is_sealed(text: str) -> bool:
    """Tell a sealed text from a plain one."""
    return text.startswith(f"{_MARK}:")


def open_keyring(path: Path) -> Keyring:
    """Return the keys of a file; `UnavailableError` where it can't be read."""
    return Keyring(read_keys(path), path)


def read_keys(path: Path) -> dict[str, bytes]:
    """Read the key file: a line ``ID HEX`` for each key, the newest first.

    `UnavailableError` where it can't be read.
    """
    try:
        lines = path.read_text("ascii").splitlines()
        pairs = [line.split() for line in lines if line.strip()]
        return {name: _key(text) for name, text in pairs}
    except (OSError, ValueError) as error:
        raise UnavailableError(f"The key file {path} can't be read.", temporary=False) from error


def create_key(path: Path) -> None:
    """Put a new key before those of the file, and make the file where there is none; readable by its owner alone.

    The old file stays whole until the new one is durable.
    """
    old = path.read_bytes() if path.exists() else b""
    new = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(f"{secrets.token_hex(4)} {secrets.token_hex(_KEY)}\n".encode() + old)
        file.flush()
        os.fsync(file.fileno())
    if path.exists():
        status = path.stat()
        os.chown(new, status.st_uid, status.st_gid)
    new.replace(path)


def _key(text: str) -> bytes:
    key = bytes.fromhex(text)
    if len(key) != _KEY:
        raise ValueError(f"a key has {_KEY} octets")
    return key
