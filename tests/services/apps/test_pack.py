"""A folder becomes a tar stream: always the same one, without what is not wanted, and never out of the folder."""

from __future__ import annotations

import io
import os
import socket
import tarfile
from pathlib import Path

import pytest

from serai.errors import ExhaustedError, InvalidError, NotFoundError, SeraiError
from serai.services.apps.commands.deploy import default_name
from serai.services.apps.pack import Bounds, stream, survey
from serai.services.apps.unpack import Bounds as UnpackBounds
from serai.services.apps.unpack import unpack


def packed(folder: Path) -> bytes:
    return b"".join(stream(folder, survey(folder)))


def names(folder: Path) -> list[str]:
    return [entry.path for entry in survey(folder)]


def fill(folder: Path) -> Path:
    (folder / "static").mkdir(parents=True)
    (folder / "static/long name é 😀.txt").write_text("x" * 1000)
    (folder / "run").write_text("#!/bin/sh\n")
    (folder / "run").chmod(0o700)
    (folder / "link").symlink_to("static/long name é 😀.txt")
    (folder / "empty").touch()
    return folder


def test_what_is_packed_unpacks_to_the_same(tmp_path: Path) -> None:
    source = fill(tmp_path / "a")
    target = tmp_path / "b"
    target.mkdir()
    unpack(io.BytesIO(packed(source)), target, UnpackBounds())
    assert names(target) == names(source)
    assert (target / "link").read_text() == "x" * 1000
    assert os.access(target / "run", os.X_OK)
    assert not (target / "empty").stat().st_mode & 0o111


def test_the_same_folder_is_the_same_octets_whoever_packs_it_and_when(tmp_path: Path) -> None:
    one, other = fill(tmp_path / "a"), fill(tmp_path / "b")
    os.utime(other / "run", (1, 1))
    (other / "empty").chmod(0o600)
    assert packed(one) == packed(other)
    with tarfile.open(fileobj=io.BytesIO(packed(one))) as archive:
        assert {(member.uid, member.gid, member.mtime, member.uname) for member in archive} == {(0, 0, 0, "")}


def test_what_nobody_wants_is_left_out_and_what_the_file_says(tmp_path: Path) -> None:
    for path in (
        ".git/config",
        "node_modules/a/b.js",
        ".venv/bin/python",
        "a/__pycache__/x.pyc",
        "a/b.log",
        "keep.log",
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    (tmp_path / ".seraiignore").write_text("# logs\n*.log\n!/keep.log\n")
    assert names(tmp_path) == [".seraiignore", "a", "keep.log"]


@pytest.mark.parametrize("target", ["/etc/passwd", "../../x", "..", "a/../../x"])
def test_a_link_out_of_the_folder_is_refused_with_its_name(tmp_path: Path, target: str) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/file").touch()
    (tmp_path / "in/out").symlink_to(target)
    with pytest.raises(InvalidError, match="link out") as caught:
        survey(tmp_path / "in")
    assert caught.value.fields["path"] == "out"


def test_devices_pipes_and_sockets_are_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InvalidError, match="pipe"):
        survey(tmp_path)
    (tmp_path / "pipe").unlink()
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(tmp_path / "sock"))
        with pytest.raises(InvalidError, match="socket"):
            survey(tmp_path)


def test_a_folder_that_is_too_large_or_too_deep_is_refused(tmp_path: Path) -> None:
    for n in range(5):
        (tmp_path / f"{n}").write_text("x" * 100)
    for bounds in (Bounds(octets=400), Bounds(entries=4)):
        with pytest.raises(ExhaustedError, match="seraiignore"):
            survey(tmp_path, bounds)
    (tmp_path / ("d/" * 40)).mkdir(parents=True)
    with pytest.raises(InvalidError, match="deep"):
        survey(tmp_path)


def test_a_file_that_changes_while_it_is_sent_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x" * 1000)
    entries = survey(tmp_path)
    (tmp_path / "a").write_text("x")
    with pytest.raises(InvalidError, match="changed"):
        list(stream(tmp_path, entries))
    (tmp_path / "a").unlink()
    (tmp_path / "a").symlink_to("/etc/passwd")
    with pytest.raises(InvalidError):
        list(stream(tmp_path, entries))


def test_what_is_no_folder_or_empty_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "empty").mkdir()
    for path, code in (
        (tmp_path / "no", "not_found"),
        (tmp_path / "file", "not_found"),
        (tmp_path / "empty", "invalid"),
    ):
        with pytest.raises(SeraiError) as caught:
            survey(path)
        assert caught.value.code == code
    with pytest.raises((InvalidError, NotFoundError)):
        survey(Path("a\0b"))


@pytest.mark.parametrize(
    ("folder", "name"), [("My App_2", "my-app-2"), ("2048", ""), ("x" * 60, "x" * 40), ("é", ""), ("42-shop-", "shop")]
)
def test_an_app_is_named_after_its_folder_where_that_is_possible(tmp_path: Path, folder: str, name: str) -> None:
    if name:
        assert default_name(tmp_path / folder) == name
    else:
        with pytest.raises(InvalidError, match="--app"):
            default_name(tmp_path / folder)
