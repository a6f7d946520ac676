"""Profiles: the platforms elsewhere that this user has signed in to, each with its token, in one file of theirs."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

import msgspec

from serai.errors import DeniedError, InvalidError, NotFoundError

MODE = 0o600
MAX_FILE = 1 << 20  # octets
NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9])?\Z")


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """A platform, and what proves who asks there; ``authority`` is PEM text where no trust store vouches for it."""

    url: str
    token: str
    login: str = ""
    authority: str = ""

    def __repr__(self) -> str:
        """Leave the token out."""
        return f"Profile({self.url})"


class Profiles(msgspec.Struct, kw_only=True):
    """All of them; ``current`` is used where nothing else is named, "" means this machine."""

    current: str = ""
    profiles: dict[str, Profile] = {}

    def get(self, name: str) -> Profile:
        """Return one; `NotFoundError` names those there are."""
        found = self.profiles.get(name)
        if found is None:
            names = ", ".join(sorted(self.profiles)) or "none yet: `serai login URL` makes one"
            raise NotFoundError(f"There is no profile of that name; there are: {names}.", path="profile")
        return found


def path() -> Path:
    """Return where the file is: ``serai/profiles.json`` in the user's configuration folder (XDG base directories)."""
    base = os.environ.get("XDG_CONFIG_HOME", "")
    return (Path(base) if base.startswith("/") else Path.home() / ".config") / "serai" / "profiles.json"


def load() -> Profiles:
    """Read the file; none is no profiles. `DeniedError` where others can read it, or it is not this user's."""
    try:
        descriptor = os.open(path(), os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return Profiles()
    except (OSError, ValueError) as error:
        raise DeniedError(f"{path()} can't be read.") from error
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(file.fileno())
        if status.st_uid != os.geteuid() or stat.S_IMODE(status.st_mode) & 0o077:
            raise DeniedError(f"{path()} holds tokens, and others could read it: chmod 600, as its owner.")
        data = file.read(MAX_FILE)
    try:
        return msgspec.json.decode(data, type=Profiles)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise InvalidError(f"{path()} is not what Serai wrote: mend it or remove it.", path="profile") from None


def save(profiles: Profiles) -> None:
    """Write the file, whole or not at all, for nobody else to read."""
    target = path()
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft.unlink(missing_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, MODE)
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(profiles)) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        draft.replace(target)
    except OSError as error:
        raise DeniedError(f"{target} can't be written: {error.strerror}.") from error


def check_name(name: str) -> str:
    """Return a name that a profile may have, or raise `InvalidError`."""
    if not NAME.match(name):
        raise InvalidError("A profile's name has letters, digits, dots and dashes.", path="profile")
    return name
