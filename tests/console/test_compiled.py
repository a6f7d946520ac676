"""Compiled templates are kept, and what was made of something else is not taken."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jinja2 import DictLoader, Environment

from serai.console.compiled import Compiled


class Place:
    """A folder of compiled templates, and how often something was compiled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.count = 0

    def render(self, text: str, *filters: Callable[..., Any]) -> str:
        place = self

        class Counting(Environment):
            def compile(self, *arguments: Any, **named: Any) -> Any:  # type: ignore[override]
                place.count += 1
                return super().compile(*arguments, **named)

        loader = DictLoader({"a/page.html": text})
        environment = Counting(loader=loader, bytecode_cache=Compiled(filters, self.folder))
        return environment.get_template("a/page.html").render(x=7)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setattr("sys.dont_write_bytecode", False)
    return Place(tmp_path / "kept")


def test_a_template_is_compiled_once(place: Place) -> None:
    assert [place.render("is {{ x }}") for _ in range(3)] == ["is 7"] * 3
    assert place.count == 1
    assert [path.name.split(".cpython")[0] for path in place.folder.iterdir()] == ["a.page.html"]


def test_what_was_made_of_something_else_is_made_anew(place: Place) -> None:
    assert place.render("is {{ x }}") == "is 7"
    assert place.render("was {{ x }}") == "was 7"
    assert place.render("was {{ x }}", json.dumps) == "was 7", (
        "a module of filters, of which it may hold what they made"
    )
    assert place.count == 3
    assert len(list(place.folder.iterdir())) == 1


@pytest.mark.parametrize("octets", [b"", b"nonsense", None])
def test_what_is_broken_is_made_anew(place: Place, octets: bytes | None) -> None:
    assert place.render("is {{ x }}") == "is 7"
    [kept] = place.folder.iterdir()
    kept.write_bytes(kept.read_bytes()[:-9] if octets is None else octets)
    assert [place.render("is {{ x }}") for _ in range(2)] == ["is 7"] * 2
    assert place.count == 2


def test_who_may_not_write_compiles_each_time(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.folder.mkdir()

    def refused(*_arguments: Any, **_named: Any) -> Any:
        raise PermissionError

    monkeypatch.setattr("tempfile.mkstemp", refused)
    assert [place.render("is {{ x }}") for _ in range(2)] == ["is 7"] * 2
    assert place.count == 2
    assert list(place.folder.iterdir()) == []


def test_where_python_keeps_nothing_nothing_is_kept(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    assert place.render("is {{ x }}") == "is 7"
    assert not place.folder.exists()
