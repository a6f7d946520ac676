"""A store with users in it, and everything that recognises them: for the tests of all entrances."""

from __future__ import annotations

import msgspec

from serai.identity.directory import Directory
from serai.identity.passwords import Cost, Passwords
from serai.identity.people import Member, Secrets, User
from serai.identity.recognise import Recogniser
from serai.identity.seal import Keyring
from serai.identity.signin import Attempt, SignIn
from serai.identity.vault import Vault
from serai.store import Store

PASSPHRASE = "correct horse battery"  # noqa: S105  # of nobody


CHEAP = Cost(memory=64, passes=1)  # a test signs in often


class Town:
    """The parties of a test; ``now`` is set by hand."""

    def __init__(self, store: Store) -> None:
        self.now = 1_800_000_000.0
        self.store = store
        self.keyring = Keyring({"k1": b"1" * 32})
        self.directory = Directory(store)
        self.recogniser = Recogniser(self.directory)
        self.vault = Vault(store, self.keyring)
        self.passwords = Passwords(CHEAP)
        self.signin = SignIn(
            store,
            self.directory,
            self.keyring,
            self.passwords,
            now=lambda: self.now,
            monotonic=lambda: self.now - 1_700_000_000,
        )

    async def user(self, login: str, *roles: tuple[str, str], **more: object) -> None:
        """Make a user with (tenant, role) pairs; a tenant may be ``tenant:app``."""
        await self.store.put("user:root", "test", "", login, User(email=f"{login}@example.test"))
        for where, role in roles:
            tenant, _, app = where.partition(":")
            await self.store.put("user:root", "test", tenant, f"{login}:{app}" if app else login, Member(role=role))
        await self.keep(login, **more)

    async def keep(self, login: str, **more: object) -> Secrets:
        """Change a user's secrets."""
        held, version = await self.vault.read(login)
        newer = msgspec.structs.replace(held, **more)
        await self.vault.write("user:root", "test", login, newer, version)
        return newer

    def attempt(self, address: str = "192.0.2.7", device: str = "") -> Attempt:
        """Return where a sign-in comes from."""
        return Attempt(address=address, browser="Test/1", device=device)
