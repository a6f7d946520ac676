"""Which platform a command is about: a home on this machine, or one elsewhere; and who asks there."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

from serai.api.remote import Server
from serai.cli import profiles
from serai.errors import InvalidError

MAX_AUTHORITY = 1 << 18  # octets


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """A platform; ``server`` None is the one of ``home``. ``profile`` names the profile that it comes from."""

    home: Path
    server: Server | None = None
    token: str = ""
    profile: str = ""
    authority: str = ""  # what --ca or SERAI_CA names, as PEM text

    def __repr__(self) -> str:
        """Leave the token out."""
        return f"Place({self.server or self.home})"


def find_place(options: Mapping[str, str], environ: Mapping[str, str]) -> Place:
    """Choose: the options, then the environment, then the profile in use, then this machine.

    SERAI_TOKEN counts everywhere. A URL that a profile has goes with that profile's token and authority.
    """
    authority = read_authority(options.get("ca") or environ.get("SERAI_CA", ""))
    named = [option for option in ("home", "url", "profile") if option in options]
    if len(named) > 1:
        raise InvalidError(f"--{named[0]} and --{named[1]} name two platforms.", path=named[1])
    merged = {
        "url": environ.get("SERAI_URL", ""),
        "home": environ.get("SERAI_HOME", ""),
        "profile": environ.get("SERAI_PROFILE", ""),
    }
    kind, value = next(iter({key: options[key] for key in named}.items()), ("", ""))
    if not kind:
        kind, value = next(((key, text) for key, text in merged.items() if text), ("", ""))
    token = environ.get("SERAI_TOKEN", "").strip()
    if any(not "!" <= character <= "~" for character in token):
        raise InvalidError("That is no token.", path="SERAI_TOKEN")  # a line end in it would end a header field
    if kind == "home":
        return Place(home=_home(value), token=token, authority=authority)
    if kind == "url":
        return _at(value, token, authority)
    known = profiles.load() if kind == "profile" or not kind else profiles.Profiles()
    name = value or known.current
    if name:
        return _of(name, known.get(name), token, authority)
    return Place(home=default_home(), token=token, authority=authority)


def _home(path: str) -> Path:
    """Return a home's path; a shell leaves the tilde of ``--home=~/serai`` as it is."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise InvalidError(f"There is no user of whom {path[:200]} is a folder.", path="home") from None


def default_home() -> Path:
    """Return the home of who says nothing."""
    return Path("/var/lib/serai") if os.geteuid() == 0 else Path.home() / ".local/share/serai"


def read_authority(path: str) -> str:
    """Return the certificates of a file as PEM text, "" for no file."""
    if not path:
        return ""
    try:
        with Path(path).open("rb") as file:
            text = file.read(MAX_AUTHORITY).decode("ascii")
    except (OSError, ValueError):
        raise InvalidError(f"The file {path[:200]} can't be read.", path="ca") from None
    if "-----BEGIN CERTIFICATE-----" not in text:
        raise InvalidError(f"The file {path[:200]} holds no certificate.", path="ca")
    return text


def _at(url: str, token: str, authority: str) -> Place:
    server = Server(url, authority=authority)
    if not token or not authority:
        for name, profile in sorted(profiles.load().profiles.items()):
            if profile.url == server.url:
                return _of(name, profile, token, authority)
    return Place(home=default_home(), server=server, token=token, authority=authority)


def _of(name: str, profile: profiles.Profile, token: str, authority: str) -> Place:
    return Place(
        home=default_home(),
        server=Server(profile.url, authority=authority or profile.authority),
        token=token or profile.token,
        profile=name,
        authority=authority,
    )
