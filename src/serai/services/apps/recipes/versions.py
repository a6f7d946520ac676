"""Which version of a language a program asks for: Python's specifiers and Node's ranges, on numbers only.

Pre-releases, epochs and local versions are left out: an interpreter that tenants run has none.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from serai.errors import UnsupportedError
from serai.services.apps.recipes.contract import Runtime

Version = tuple[int, ...]

#: Languages that a home can have interpreters of, and the program in ``bin/`` that is one.
ADDABLE = {"python": "python3", "node": "node"}

_CLAUSE = re.compile(r"\s*(?P<sign>~=|===?|!=|<=|>=|<|>)?\s*v?(?P<number>\d+(?:\.\d+)*)(?P<any>\.\*)?\s*\Z")
_PARTIAL = re.compile(r"(?P<sign>[~^]|<=|>=|<|>|=)?\s*v?(?P<number>\d+(?:\.\d+){0,2})?(?:\.[xX*])*(?:-[\w.-]+)?\Z")


def numbers(text: str) -> Version:
    """Return (3, 11, 2) for "python-3.11.2", and () where there is no number."""
    found = re.search(r"\d+(?:\.\d+)*", text)
    return tuple(int(part[:6]) for part in found[0].split(".")[:4]) if found else ()


def python_accepts(specifier: str, version: Version) -> bool:
    """Say whether a version fits ``requires-python`` (PEP 440, version specifiers).

    Only as many numbers as are known of ``version`` are compared: 3.11 fits ``>=3.11.4``, since the host's patch
    release isn't in an interpreter's name.
    """
    for clause in filter(None, (part.strip() for part in specifier.split(","))):
        found = _CLAUSE.match(clause)
        if found is None:
            return False
        number = numbers(found["number"])
        if not _fits(found["sign"] or "==", number, version, wildcard=bool(found["any"])):
            return False
    return True


def _fits(sign: str, number: Version, version: Version, *, wildcard: bool) -> bool:
    width = min(len(number), len(version))
    left, right = version[:width], number[:width]
    match sign:
        case "~=":
            return left >= right and version[: len(number) - 1] == number[: min(len(number) - 1, len(version))]
        case "==" | "===":
            return left == right
        case "!=":
            return left != right or (len(number) > len(version) and not wildcard)
        case ">=":
            return left >= right
        case "<=":
            return left <= right
        case "<":
            return left < right or (left == right and len(number) > len(version) and any(number[width:]))
        case _:
            return left > right


def node_accepts(ranges: str, version: Version) -> bool:
    """Say whether a version of three numbers fits ``engines.node`` (the grammar of node-semver's ranges)."""
    text = re.sub(r"(<=|>=|<|>|=|~|\^)\s+", r"\1", ranges.strip())
    return any(_all_fit(part.strip(), version) for part in text.split("||"))


def _all_fit(text: str, version: Version) -> bool:
    if hyphen := re.fullmatch(r"(\S+)\s+-\s+(\S+)", text):
        low, high = hyphen.groups()
        return _partial(f">={low}", version) and _partial(f"<={high}", version)
    return all(_partial(part, version) for part in text.split())


def _partial(text: str, version: Version) -> bool:
    if text in {"*", "x", "X", "", "latest", "node"} or text.startswith("lts"):
        return True
    found = _PARTIAL.match(text)
    if found is None or found["number"] is None:
        return False
    number = numbers(found["number"])
    head = version[: len(number)]
    match found["sign"]:
        case ">=":
            return head >= number
        case ">":
            return head > number
        case "<":
            return head < number
        case "<=":
            return head <= number
        case "^":
            return version >= number and version[0] == number[0]
        case "~":
            return version >= number and version[: min(2, len(number))] == number[:2]
        case _:
            return head == number


def choose(runtimes: Sequence[Runtime], language: str, fits: Sequence[tuple[str, Version]]) -> Runtime:
    """Return the run time of ``language`` whose version begins with each of the wanted ones; see `best`.

    ``fits`` pairs where it was asked for (".python-version") with the numbers. `UnsupportedError` lists what is here.
    """
    here = [runtime for runtime in runtimes if runtime.language == language]
    for where, wanted in fits:
        here = [runtime for runtime in here if _begins(runtime.version, wanted)]
        if not here:
            raise missing(language, where, ".".join(map(str, wanted)), runtimes)
    if not here:
        raise missing(language, "the program", "any", runtimes)
    return best(here)


def best(fitting: Sequence[Runtime]) -> Runtime:
    """Return the newest of those below /usr, else the newest at all.

    What an operator added is for programs that ask for it: no other program changes its version because of it.
    """
    return max(fitting, key=lambda runtime: (runtime.mount is None, runtime.version))


def missing(language: str, where: str, wanted: str, runtimes: Sequence[Runtime]) -> UnsupportedError:
    """Return the error that says which version was asked for, by what, which this host has, and who can add one."""
    versions = sorted(item.version for item in runtimes if item.language == language)
    have = tuple(".".join(map(str, version)) for version in versions)
    advice = f" Its operator can add one: serai runtime add {language} VERSION." if language in ADDABLE else ""
    return UnsupportedError(
        f"This host has no {language} {wanted}, which {where} asks for; it has {', '.join(have) or 'none'}.{advice}",
        language=language,
        wanted=wanted,
        asked_by=where,
        available=have,
    )


def _begins(version: Version, wanted: Version) -> bool:
    width = min(len(wanted), len(version))
    return version[:width] == wanted[:width]
