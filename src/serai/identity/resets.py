"""A way back in for who lost a password, or whose password somebody else knows: a link that opens once.

An operator makes it. From that moment the old password opens nothing, and all sessions have ended.
"""

from __future__ import annotations

import msgspec

from serai.errors import InvalidError, NotFoundError
from serai.identity import bearer, sessions
from serai.identity.directory import Directory
from serai.identity.passwords import Passwords, check_password
from serai.identity.people import Reset
from serai.identity.vault import Vault
from serai.store import Delete, Put, Store

LIFETIME = 86400.0  # seconds
_NO_LONGER = "That link does not hold, or no longer."


async def begin(
    store: Store, directory: Directory, vault: Vault, who: str, login: str, now: float, *, factors: bool = False
) -> str:
    """Take a user's password away and return the secret of a link that sets a new one: it can't be shown again.

    With ``factors`` the authenticator app, recovery codes and passkeys go, too. `NotFoundError` for nobody.
    """
    if directory.user(login) is None:
        raise NotFoundError("There is no such user.")
    held, version = await vault.read(login)
    bare = msgspec.structs.replace(held, password="")
    if factors:
        bare = msgspec.structs.replace(bare, totp="", pending="", recovery=(), passkeys=())
    secret = bearer.new_secret()
    await store.change(
        who,
        f"reset the password of {login}",
        (
            Put("", login, Reset(digest=bearer.digest(secret), expires=now + LIFETIME)),
            vault.put(login, bare, version),
            *sessions.end_all(directory, login),
        ),
    )
    return bearer.write("", login, secret)


async def take(
    store: Store, directory: Directory, vault: Vault, passwords: Passwords, text: str, password: str, now: float
) -> str:
    """Set a new password by the secret of a link, and return the login.

    `NotFoundError` for what does not hold, whatever the reason; `InvalidError` for a weak password, which spends
    nothing.
    """
    shown = bearer.read(text)
    if shown is None or shown.tenant:
        raise NotFoundError(_NO_LONGER)
    login = shown.name
    try:
        record = await store.get(Reset, "", login)
    except (NotFoundError, InvalidError):
        raise NotFoundError(_NO_LONGER) from None
    user = directory.user(login)
    if not bearer.proves(shown.secret, record.spec.digest) or record.spec.expires <= now:
        raise NotFoundError(_NO_LONGER)
    if user is None or user.disabled:
        raise NotFoundError(_NO_LONGER)
    check_password(password, login, user.email.partition("@")[0])
    hashed = await passwords.hash(password)
    held, version = await vault.read(login)
    await store.change(
        f"user:{login}",
        "new password by a link",
        (
            Delete(Reset.KIND, "", login, record.version),
            vault.put(login, msgspec.structs.replace(held, password=hashed), version),
            *sessions.end_all(directory, login),
        ),
    )
    return login
