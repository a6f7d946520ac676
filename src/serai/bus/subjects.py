"""What a subject may look like, and when a subscription matches one."""

from __future__ import annotations

import re

from serai.bus.contract import MAX_SUBJECT
from serai.errors import InvalidError

_SUBJECT = re.compile(r"[A-Za-z0-9_:-]+(?:\.[A-Za-z0-9_:-]+)*\Z")
_BELOW = ".*"


def check_subject(subject: str, *, wildcard: bool = False) -> str:
    """Return the subject, or raise `InvalidError`; ``wildcard`` allows a trailing ``.*``."""
    words = subject.removesuffix(_BELOW) if wildcard else subject
    if len(subject) > MAX_SUBJECT or not _SUBJECT.match(words):
        raise InvalidError(
            "A subject consists of words of letters, digits, _, : and -, joined by dots.", path="subject"
        )
    return subject


def prefix_of(pattern: str) -> str | None:
    """Return what stands before ``.*``, or None where the pattern is a plain subject."""
    return pattern[: -len(_BELOW)] if pattern.endswith(_BELOW) else None


def covers(pattern: str, subject: str) -> bool:
    """Tell whether a pattern means all that a subject, or another pattern, means; ``*`` covers everything."""
    if pattern in {"*", subject}:
        return True
    prefix = prefix_of(pattern)
    return prefix is not None and subject.startswith(f"{prefix}.")


def prefixes(subject: str) -> list[str]:
    """Return all prefixes whose ``.*`` matches the subject: ``a`` and ``a.b`` for ``a.b.c``."""
    cuts = (index for index, letter in enumerate(subject) if letter == ".")
    return [subject[:cut] for cut in cuts]
