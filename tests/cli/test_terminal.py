"""What people are told beside the results."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from serai.api.remote import Home
from serai.cli.place import Place, find_place
from serai.cli.terminal import Terminal
from serai.errors import InvalidError


def test_who_stops_watching_is_told_that_it_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(_self: Terminal, _task: str) -> Iterator[Any]:
        raise KeyboardInterrupt

    monkeypatch.setattr(Terminal, "_states", interrupted)
    with pytest.raises(KeyboardInterrupt):
        Terminal(Place(home=tmp_path)).follow(["a-task"], "Deploying")
    assert "it goes on: `serai task list` shows it" in capsys.readouterr().err


def test_a_home_that_is_anothers_says_what_to_do(tmp_path: Path) -> None:
    said = Home(tmp_path / "api.sock").unreachable(PermissionError(13, "Permission denied"))
    assert "sudo" in said.public
    assert "serai login" in said.public


def test_a_home_where_nothing_runs_is_named(tmp_path: Path) -> None:
    said = Home(tmp_path / "run/api.sock").unreachable(FileNotFoundError())
    assert said.public == f"No platform runs at {tmp_path}: start it with `serai up`."


def test_a_tilde_is_the_home_folder_and_of_nobody_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert find_place({"home": "~/serai"}, {}).home == tmp_path / "serai"
    with pytest.raises(InvalidError):
        find_place({"home": "~nobody-of-that-name/serai"}, {})
