"""Sessions of browsers: begun by a sign-in, ended by time, by a sign-out, or by their user from elsewhere."""

from __future__ import annotations

import secrets
from collections.abc import Iterable

from serai.errors import NotFoundError
from serai.identity import bearer
from serai.identity.directory import Directory
from serai.identity.people import Session
from serai.store import Delete, Put, Store

LIFETIME = 7 * 86400.0  # seconds
MOST = 50  # sessions of a user; the oldest end
_BROWSER = 120  # characters that are kept of a browser's own name


def begin(
    login: str, held: Iterable[tuple[str, Session]], *, address: str, browser: str, strong: bool, now: float
) -> tuple[str, list[Put | Delete]]:
    """Return the cookie of a new session and the operations that begin it; the oldest of too many end with it."""
    name, secret = secrets.token_hex(8), bearer.new_secret()
    session = Session(
        user=login,
        digest=bearer.digest(secret),
        created=now,
        expires=now + LIFETIME,
        address=address,
        browser=browser[:_BROWSER],
        strong=strong,
    )
    by_age = sorted(held, key=lambda pair: pair[1].created)
    operations: list[Put | Delete] = [Put("", name, session, 0)]
    operations += [Delete(Session.KIND, "", old) for old, _ in by_age[: max(0, len(by_age) - MOST + 1)]]
    return f"{name}.{secret}", operations


async def end(store: Store, directory: Directory, who: str, login: str, name: str) -> None:
    """End a session of a user; `NotFoundError` where it is not theirs."""
    session = directory.session(name)
    if session is None or session.user != login:
        raise NotFoundError("There is no such session.")
    await store.change(who, "signed out", (Delete(Session.KIND, "", name),))


def end_all(directory: Directory, login: str, *, but: str = "") -> list[Delete]:
    """Return the operations that end all sessions of a user, but one: a changed password leaves none behind."""
    return [Delete(Session.KIND, "", name) for name, _ in directory.sessions(login) if name != but]


async def sweep(store: Store, directory: Directory, now: float, most: int = 200) -> int:
    """Delete sessions that have expired, some at a time; return how many."""
    expired = [name for name, one in directory.all_sessions() if one.expires <= now][:most]
    if expired:
        await store.change("system", "expired", tuple(Delete(Session.KIND, "", name) for name in expired))
    return len(expired)
