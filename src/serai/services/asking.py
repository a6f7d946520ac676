"""Ask a person, or standard input, for what must not stand in an argument vector or a shell's history."""

from __future__ import annotations

import getpass
import sys

from serai.errors import InvalidError

MAX_ANSWER = 4096  # characters


def ask(what: str, *, hidden: bool = True) -> str:
    """Return one answer: typed where there is a terminal, else the next line of standard input.

    `InvalidError` where there is none.
    """
    try:
        if sys.stdin.isatty():
            given = getpass.getpass(f"{what}: ", sys.stderr) if hidden else _typed(what)
        else:
            given = sys.stdin.readline(MAX_ANSWER + 1)
    except (EOFError, OSError, ValueError, UnicodeDecodeError):
        given = ""
    answer = given.rstrip("\r\n")
    if not answer:
        raise InvalidError(f"{what} is missing: type it, or give it as a line on standard input.", path=what.lower())
    if len(answer) > MAX_ANSWER:
        raise InvalidError(f"{what} is too long.", path=what.lower())
    return answer


def ask_new_password() -> str:
    """Return a password to be: asked for twice where it is typed."""
    password = ask("New password")
    if sys.stdin.isatty() and ask("New password again") != password:
        raise InvalidError("The two differ.", path="password")
    return password


def _typed(what: str) -> str:
    sys.stderr.write(f"{what}: ")
    sys.stderr.flush()
    return sys.stdin.readline(MAX_ANSWER + 1)
