"""Hosts as principals: each shows a key of its own, of which the store has a digest.

A key looks like an API token, ``serai_@_HOST_SECRET``. That of the host where the platform was made comes to be at its
first start and stays in the home, for its owner alone; for another it is made by the operator, and shown once.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import ClassVar

from serai.errors import InvalidError, NotFoundError
from serai.identity import bearer
from serai.store import Put, Store
from serai.store.contract import Spec

#: What stands in a key where a token names its tenant; no tenant is called that.
MARK = "@"
FILE = "keys/host.token"  # below the home


class HostKey(Spec, frozen=True, kw_only=True):
    """What proves a host (tenant ""), under its name; without a digest its key was revoked."""

    KIND: ClassVar[str] = "host-key"
    NAME: ClassVar[re.Pattern[str]] = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,61}[a-z0-9])?\Z")

    digest: str
    made: float = 0.0  # seconds since the epoch


async def enrol(store: Store, who: str, host: str, now: float, home: Path | None = None) -> str:
    """Make a host's key, in the place of the one before, and return it: it can't be shown again.

    Where ``home`` is the host's own, the key is kept there.
    """
    if not HostKey.NAME.fullmatch(host):
        raise InvalidError("A host's name has at most 63 of a-z, 0-9, - and dots.", path="host")
    secret = bearer.new_secret()
    key = bearer.write(MARK, host, secret)
    if home is None:
        await _write(store, who, host, secret, now)
        return key
    # Complete before it counts, and in its place with one step after that.
    kept = home / FILE
    new = kept.with_name(f".{kept.name}")
    _keep(new, key)
    await _write(store, who, host, secret, now)
    new.replace(kept)
    return key


async def revoke(store: Store, who: str, host: str) -> None:
    """End a host's key: whoever shows it is nobody from now on. `NotFoundError` where it has none."""
    record = await store.get(HostKey, "", host)
    if not record.spec.digest:
        raise NotFoundError("That host has no key.", host=host)
    await store.change(who, f"revoke the key of host {host}", (Put("", host, HostKey(digest=""), record.version),))


async def introduce(store: Store, host: str, home: Path, now: float) -> bool:
    """Give the host of a home its first key; return whether it had none. One that was revoked is not given again."""
    if not HostKey.NAME.fullmatch(host) or await store.history(HostKey, "", host, limit=1):
        return False
    await enrol(store, f"host:{host}", host, now, home)
    return True


async def _write(store: Store, who: str, host: str, secret: str, now: float) -> None:
    spec = HostKey(digest=bearer.digest(secret), made=now)
    await store.change(who, f"make a key for host {host}", (Put("", host, spec),))


def _keep(path: Path, key: str) -> None:
    """Write a key for its owner alone; blocks for a moment."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(f"{key}\n")
        file.flush()
        os.fsync(file.fileno())
