"""What a request's path leads to: a file to send, or a program to run. Pure but for looking whether files exist."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

_PRIVATE = frozenset({"app.toml", "Procfile", "composer.json", "composer.lock", "cpanfile"})


class ReplyError(Exception):
    """A status to answer with."""

    def __init__(self, status: int, text: str = "") -> None:
        super().__init__(status, text)
        self.status = status
        self.text = text


class Settings(NamedTuple):
    """What the command line says."""

    root: Path
    cgi_bin: Path | None = None
    programs: tuple[str, ...] = ()
    php: str = ""
    front: str = ""


class Found(NamedTuple):
    """What a path leads to: a file, what of the path names it, and what follows (PATH_INFO)."""

    file: Path
    name: str
    info: str
    argv: tuple[str, ...]  # how to run it, () where it is a file to send


def resolve(settings: Settings, path: str) -> Found:
    """Find the file of a decoded path; the longest part of it that is a file wins. `ReplyError` 301, 400, 404."""
    parts = [part for part in path.split("/") if part not in {"", "."}]
    if ".." in parts or any(ord(char) < 32 for char in path):
        raise ReplyError(400)
    if any(part.startswith(".") and part != ".well-known" for part in parts) or _PRIVATE.intersection(parts[:1]):
        raise ReplyError(404)
    base = settings.root
    if settings.cgi_bin is not None and parts[:1] == [settings.cgi_bin.name]:
        base = settings.cgi_bin.parent
    place = base
    for index, part in enumerate(parts):
        place /= part
        if place.is_file():
            name, rest = "/" + "/".join(parts[: index + 1]), parts[index + 1 :]
            info = "".join(f"/{item}" for item in rest) + ("/" if rest and path.endswith("/") else "")
            return _runnable(settings, Found(place, name, info, ()))
        if not place.is_dir():
            return _front(settings)
    return _index(settings, place, parts, path)


def _index(settings: Settings, folder: Path, parts: list[str], path: str) -> Found:
    name = "/" + "".join(f"{part}/" for part in parts)
    for index in ("index.php", "index.cgi", "index.pl", "index.html", "index.htm"):
        if (folder / index).is_file():
            found = _runnable(settings, Found(folder / index, name + index, "", ()))
            if not index.endswith((".php", ".cgi", ".pl")) or found.argv:
                if not path.endswith("/"):
                    raise ReplyError(301, name)
                return found
    return _front(settings)


def _front(settings: Settings) -> Found:
    if settings.front and (settings.root / settings.front).is_file():
        return _runnable(settings, Found(settings.root / settings.front, f"/{settings.front}", "", ()))
    raise ReplyError(404)


def _runnable(settings: Settings, found: Found) -> Found:
    """Say how to run it. A program in cgi-bin that can't be run is never sent as a file."""
    file = found.file
    if file.suffix == ".php" and settings.php:
        return found._replace(argv=(settings.php,))
    inside = settings.cgi_bin is not None and file.is_relative_to(settings.cgi_bin)
    if inside or file.suffix in settings.programs:
        if os.access(file, os.X_OK):
            return found._replace(argv=(str(file),))
        with file.open("rb") as opened:
            line = opened.readline(256)
        # An archive that keeps no modes has lost its execute bit: the first line still says who runs it.
        if line.startswith(b"#!") and (words := os.fsdecode(line[2:]).split()):
            return found._replace(argv=(*words, str(file)))
        raise ReplyError(403 if inside else 404)
    return found if not found.info else _front(settings)
