"""What users prove themselves with, read and written sealed."""

from __future__ import annotations

import msgspec

from serai.errors import ConflictError, NotFoundError, UnavailableError
from serai.identity.people import Credentials, Secrets
from serai.identity.seal import Keyring
from serai.store import Put, Store

_PAGE = 500
_ATTEMPTS = 10


class Vault:
    """Open and seal `Secrets`."""

    def __init__(self, store: Store, keyring: Keyring) -> None:
        self._store = store
        self._keyring = keyring

    async def read(self, login: str) -> tuple[Secrets, int]:
        """Return a user's secrets and their version; empty ones at version 0 where there are none."""
        try:
            record = await self._store.get(Credentials, "", login)
        except NotFoundError:
            return Secrets(), 0
        text = self._keyring.unseal(record.spec.sealed, _about(login))
        return msgspec.json.decode(text, type=Secrets), record.version

    def put(self, login: str, secrets: Secrets, expect: int) -> Put:
        """Return the operation that keeps a user's secrets, bound to the version that was read."""
        sealed = self._keyring.seal(msgspec.json.encode(secrets).decode(), _about(login))
        return Put("", login, Credentials(sealed=sealed), expect)

    async def write(self, who: str, why: str, login: str, secrets: Secrets, expect: int) -> None:
        """Keep a user's secrets; `ConflictError` where they have changed since they were read."""
        await self._store.change(who, why, (self.put(login, secrets, expect),))

    async def reseal(self, who: str) -> int:
        """Seal everything that an older key sealed with the newest one, and return how many there were."""
        count = 0
        after = ""
        while page := await self._store.find(Credentials, "", after=after, limit=_PAGE):
            after = f"{page[-1].tenant}/{page[-1].name}"
            for record in page:
                count += await self._reseal(who, record.name)
        return count

    async def _reseal(self, who: str, login: str) -> bool:
        for _ in range(_ATTEMPTS):
            try:
                record = await self._store.get(Credentials, "", login)
            except NotFoundError:
                return False  # deleted meanwhile
            if not self._keyring.stale(record.spec.sealed):
                return False
            text = self._keyring.unseal(record.spec.sealed, _about(login))
            sealed = Credentials(sealed=self._keyring.seal(text, _about(login)))
            try:
                await self._store.change(who, "sealed with a new key", (Put("", login, sealed, record.version),))
            except ConflictError:
                continue  # changed meanwhile: by now it may be sealed with the new key
            return True
        raise UnavailableError("What users prove themselves with changes all the time: try again.")


def _about(login: str) -> str:
    return f"credentials/{login}"
