"""Descriptors as text and back, and what text may not say."""

from __future__ import annotations

import contextlib
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serai.cli import texts
from serai.errors import InvalidError, NotFoundError, SeraiError
from serai.services import checkout

NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20)
VALUES: Any = st.recursive(
    st.one_of(
        st.text(st.characters(exclude_categories=["Cs"]), max_size=40), st.booleans(),
        st.integers(-(1 << 62), 1 << 62), st.floats(allow_nan=False, allow_infinity=False),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(NAMES, inner, max_size=4)),
    max_leaves=8,
)  # fmt: skip
ITEMS = st.dictionaries(st.tuples(NAMES, NAMES), st.dictionaries(NAMES, VALUES, max_size=4), max_size=5)


@given(st.dictionaries(st.one_of(st.just("-"), st.from_regex(r"[a-z]{1,8}", fullmatch=True)), ITEMS, max_size=3))
def test_what_is_rendered_reads_as_it_was(wanted: dict[str, dict[tuple[str, str], dict[str, Any]]]) -> None:
    exports = [
        (tenant, [{"kind": kind, "name": name, "spec": spec} for (kind, name), spec in items.items()])
        for tenant, items in wanted.items()
    ]
    text = texts.render(exports)
    read = dict(texts.parse(text, "text"))
    assert read == {(tenant, *key): spec for tenant, items in wanted.items() for key, spec in items.items()}
    assert texts.render(reversed(exports)) == text, "the order is stable"


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(InvalidError):
        list(texts.parse(text, "text"))


@pytest.mark.parametrize(
    "text",
    [
        "[demo.app]\nshop = 1", "demo = 1", "[demo]\napp = []", "[demo.app.shop]\nat = 2020-01-01",
        "[demo.app.shop]\nx = nan", "[demo.app.shop]\nx = inf", "FORMAT = 2", "[demo.app.shop]\n[demo.app.shop]",
        "[demo.app.shop]\nx = " + "[" * 100 + "]" * 100, "[demo.app.shop]\nx = " + "[" * 100_000, "=",
    ],
)  # fmt: skip
def test_what_no_descriptor_holds_is_refused_with_its_file(text: str) -> None:
    with pytest.raises(InvalidError, match=r"some\.toml"):
        list(texts.parse(text, "some.toml"))


def test_a_folder_is_read_whole_without_what_is_hidden_and_no_descriptor_twice(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        texts.read(tmp_path)
    (tmp_path / "a.toml").write_text("[demo.app.shop]")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/b.toml").write_text("[demo.app.blog]")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git/c.toml").write_text("nonsense")
    assert texts.read(tmp_path) == {"demo": {"app": {"shop": {}, "blog": {}}}}
    (tmp_path / "z.toml").write_text("[demo.app.shop]")
    with pytest.raises(InvalidError, match=r"in .*a\.toml already"):
        texts.read(tmp_path)
    with pytest.raises(NotFoundError):
        texts.read(tmp_path / "nothing.toml")
    with (tmp_path / "large.toml").open("wb") as file:
        file.truncate(texts.MAX_FILE + 1)
    with pytest.raises(InvalidError, match="MiB"):
        texts.read(tmp_path / "large.toml")


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc", "ext::sh -c id", "git://example.org/x", "http://example.org/x", "https://", "ssh://a b",
        "https://example.org/x#--upload-pack=id", "https://example.org/x#a b", "-u@example.org:x",
    ],
)  # fmt: skip
def test_only_https_and_ssh_are_fetched(url: str) -> None:
    with pytest.raises(InvalidError), checkout.checkout(url):
        pass


def test_git_itself_is_kept_to_these_protocols(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = tmp_path / "repository"
    subprocess.run(["git", "init", "-q", str(repository)], check=True)
    home = tmp_path / "home"
    home.mkdir()
    (home / ".gitconfig").write_text(f'[url "file://{repository}"]\n    insteadOf = https://example.org/x\n')
    monkeypatch.setenv("HOME", str(home))
    with pytest.raises(SeraiError, match="not allowed"), checkout.checkout("https://example.org/x"):
        pass
