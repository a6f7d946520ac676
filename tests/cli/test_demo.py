"""The commands that `serai up --demo` tells can be pasted as they stand."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from serai.cli import demo
from serai.cli.place import Place
from serai.cli.terminal import Terminal


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "a folder" / "serai"
    path.parent.mkdir()
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    monkeypatch.setattr("sys.argv", [str(path), "up", "--demo"])
    return path


def commands(home: Path) -> list[list[str]]:
    text = demo.hint(Terminal(Place(home=home)))
    return [shlex.split(line) for line in text.splitlines() if line.startswith("    ")]


def test_who_has_no_serai_on_path_is_told_where_it_is(
    tmp_path: Path, program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    deploy, curl, status = commands(tmp_path / "home")
    assert deploy[0] == status[0] == str(program)
    assert curl[:3] == ["curl", "--cacert", str(tmp_path / "home" / "data/tls/ca.pem")]


def test_who_has_it_on_path_is_told_its_name(tmp_path: Path, program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(program.parent))
    deploy, _, status = commands(tmp_path / "home")
    assert deploy[0] == status[0] == "serai"


def test_the_folder_to_deploy_is_there_whatever_the_terminal_is_in(
    tmp_path: Path, program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert (Path(commands(tmp_path)[0][2]) / "requirements.txt").is_file()


def test_a_home_known_by_a_variable_only_is_named(
    tmp_path: Path, program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERAI_HOME", str(tmp_path))
    assert commands(tmp_path)[0][-2:] == ["--home", str(tmp_path)]
