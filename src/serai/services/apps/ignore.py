"""``.seraiignore``: which files of a folder are not uploaded. Its patterns mean what those of gitignore mean."""

from __future__ import annotations

import re
from collections.abc import Iterable

from serai.errors import InvalidError

#: What no deployment wants: history, what is installed or built anew, and what editors and systems leave lying about.
DEFAULTS = (".git/", ".hg/", ".svn/", "node_modules/", ".venv/", "__pycache__/", "*.pyc", ".DS_Store")
MAX_PATTERNS = 1000
MAX_PATTERN = 255  # characters
MAX_STARS = 8  # of one pattern: more of them make matching slow, and say nothing


class Ignore:
    """Decide by patterns, the last that matches wins; ``!`` takes back, ``/`` at the end is for folders only."""

    def __init__(self, patterns: Iterable[str] = ()) -> None:
        lines = [line for line in (_clean(pattern) for pattern in patterns) if line]
        if len(lines) > MAX_PATTERNS:
            raise InvalidError(f".seraiignore has more than {MAX_PATTERNS} patterns.", path=".seraiignore")
        self._rules = [_rule(line) for line in (*DEFAULTS, *lines)]

    def ignores(self, path: str, *, folder: bool) -> bool:
        """Tell whether a path below the root (``a/b``) is left out; what is in an ignored folder is not asked."""
        ignored = False
        for expression, negated, folders_only in self._rules:
            if (folder or not folders_only) and ignored == negated and expression.fullmatch(path):
                ignored = not negated
        return ignored


def _clean(line: str) -> str:
    text = line.rstrip("\r\n").rstrip(" ")
    return "" if text.startswith("#") else text


def _rule(line: str) -> tuple[re.Pattern[str], bool, bool]:
    negated = line.startswith("!")
    text = line[1:] if negated else line
    text = text[1:] if text[:2] in {"\\#", "\\!"} else text
    if len(text) > MAX_PATTERN or text.count("*") > MAX_STARS:
        raise InvalidError(f"A pattern of .seraiignore is too long: {text[:40]}…", path=".seraiignore")
    folders_only = text.endswith("/")
    text = text.rstrip("/")
    anchored = "/" in text
    prefix = "" if anchored else "(?:.*/)?"
    return re.compile(prefix + _expression(text.lstrip("/")), re.DOTALL), negated, folders_only


def _expression(pattern: str) -> str:
    """Translate: ``**/`` any folders, ``*`` and ``?`` within one name, ``[…]`` a set, a backslash takes literally."""
    out = ""
    rest = pattern
    while rest:
        if rest.startswith("**/"):
            out, rest = out + "(?:[^/]+/)*", rest[3:]
        elif rest.startswith("**"):
            out, rest = out + ".*", rest[2:].lstrip("*")
        elif rest[0] == "*":
            out, rest = out + "[^/]*", rest[1:]
        elif rest[0] == "?":
            out, rest = out + "[^/]", rest[1:]
        elif rest[0] == "[" and (found := re.match(r"\[(!?)([^\]\\\[]+)\]", rest)):
            inner = re.sub(r"([\\^&~|])", r"\\\1", found[2])
            out, rest = out + _set(inner, negated=bool(found[1])), rest[found.end() :]
        elif rest[0] == "\\" and len(rest) > 1:
            out, rest = out + re.escape(rest[1]), rest[2:]
        else:
            out, rest = out + re.escape(rest[0]), rest[1:]
    return out


def _set(inner: str, *, negated: bool) -> str:
    text = f"[^/{inner}]" if negated else f"(?!/)[{inner}]"
    try:
        re.compile(text)
    except re.error:  # a range that runs backwards matches nothing
        return "(?!)"
    return text
