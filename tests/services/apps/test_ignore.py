"""Patterns of .seraiignore mean what those of gitignore mean."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serai.errors import InvalidError
from serai.services.apps.ignore import MAX_PATTERNS, Ignore


@pytest.mark.parametrize(
    ("patterns", "path", "folder", "ignored"),
    [
        (["*.log"], "a/b.log", False, True),
        (["/b.log"], "a/b.log", False, False),
        (["/b.log"], "b.log", False, True),
        (["build/"], "build", False, False),
        (["build/"], "a/build", True, True),
        (["a/b"], "x/a/b", False, False),
        (["**/b"], "x/a/b", False, True),
        (["a/**/b"], "a/b", False, True),
        (["a/**/b"], "a/x/y/b", False, True),
        (["a/**"], "a/x/y", False, True),
        (["?.txt"], "ab.txt", False, False),
        (["[ab].txt"], "b.txt", False, True),
        (["[!ab].txt"], "b.txt", False, False),
        (["[a-c].txt"], "b.txt", False, True),
        (["\\#x"], "#x", False, True),
        (["#x"], "#x", False, False),
        (["*", "!keep"], "keep", False, False),
        (["a*b"], "a/b", False, False),
        (["trailing  "], "trailing", False, True),
        (["!.git/"], ".git", True, False),
        ([], ".git", True, True),
    ],
)
def test_a_pattern_means_what_git_means(patterns: list[str], path: str, folder: bool, ignored: bool) -> None:
    assert Ignore(patterns).ignores(path, folder=folder) is ignored


@given(st.lists(st.text(max_size=30), max_size=5), st.text(max_size=30))
def test_any_text_is_a_pattern_or_refused(patterns: list[str], path: str) -> None:
    with contextlib.suppress(InvalidError):
        Ignore(patterns).ignores(path, folder=False)


def test_there_is_an_end_to_patterns() -> None:
    for patterns in (["a"] * (MAX_PATTERNS + 1), ["a" * 300], ["*a" * 20]):
        with pytest.raises(InvalidError):
            Ignore(patterns)
