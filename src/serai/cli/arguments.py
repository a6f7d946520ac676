"""Options that any command takes before or after its name: which platform is meant. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from serai.errors import InvalidError

MAX_ARGUMENT = 128 << 10  # octets: the kernel's own bound of one argument

#: Each with what it needs.
EVERYWHERE = {"--home": "a folder", "--url": "a URL", "--profile": "a name", "--ca": "a file"}


def take_place(words: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Return the last value of each of `EVERYWHERE`, by its name without dashes, and the words without them.

    ``--home DIR`` and ``--home=DIR`` mean the same. What follows ``--`` belongs to the command. `InvalidError` for an
    empty or missing value.
    """
    found: dict[str, str] = {}
    rest: list[str] = []
    remaining = iter(words)
    for word in remaining:
        option, equals, value = word.partition("=")
        if word == "--":
            rest += [word, *remaining]
        elif option in EVERYWHERE:
            value = value if equals else next(remaining, "")
            if not value or "\0" in value:
                raise InvalidError(f"{option} needs {EVERYWHERE[option]}.", path=option[2:])
            found[option[2:]] = value
        else:
            rest.append(word)
    return found, rest
