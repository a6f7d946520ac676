"""Options that any command takes before or after its name: only `--home`. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from serai.errors import InvalidError

MAX_ARGUMENT = 128 << 10  # octets: the kernel's own bound of one argument


def take_home(words: Sequence[str]) -> tuple[str | None, list[str]]:
    """Return the value of the last ``--home DIR`` or ``--home=DIR``, and the words without it.

    What follows ``--`` belongs to the command. `InvalidError` for an empty or missing value.
    """
    home: str | None = None
    rest: list[str] = []
    remaining = iter(words)
    for word in remaining:
        if word == "--":
            rest += [word, *remaining]
        elif word == "--home" or word.startswith("--home="):
            home = word.partition("=")[2] if "=" in word else next(remaining, "")
            if not home or "\0" in home:
                raise InvalidError("--home needs a folder.", path="home")
        else:
            rest.append(word)
    return home, rest
