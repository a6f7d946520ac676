import os
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serai.errors import InvalidError, NotFoundError
from serai.services.apps.recipes import folder as module
from serai.services.apps.recipes.folder import Folder, Tree, sound


def test_links_devices_and_strange_names_are_not_seen(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("s3cret")
    root = tmp_path / "app"
    (root / "real").mkdir(parents=True)
    (root / "app.py").write_text("x")
    (root / "link.py").symlink_to(secret)
    (root / "folder").symlink_to(tmp_path)
    (root / "loop").symlink_to(root)
    os.mkfifo(root / "pipe")
    (root / "a\nb").write_text("x")
    (root / "🍕 pizza.py").write_text("x")
    (root / os.fsdecode(b"\xff.py")).write_text("x")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(root / "socket"))
        view = Folder(root)
    assert list(view.files()) == ["app.py", "🍕 pizza.py"]
    assert view.folder("real")
    assert not view.folder("folder")
    for name in ("link.py", "folder/secret", "../secret", "/etc/passwd", "pipe", "app.py\0", ""):
        assert not view.exists(name)
        assert view.head(name) == b""
        with pytest.raises(NotFoundError):
            view.read(name)


def test_a_file_that_becomes_a_link_later_is_not_followed(tmp_path):
    root = tmp_path / "app"
    (root / "sub").mkdir(parents=True)
    (root / "sub/file").write_text("mine")
    (root / "other").write_text("mine")
    (tmp_path / "file").write_text("s3cret")
    view = Folder(root)
    (root / "sub/file").unlink()
    (root / "sub").rmdir()
    (root / "sub").symlink_to(tmp_path)
    (root / "other").unlink()
    os.mkfifo(root / "other")
    for name in ("sub/file", "other"):
        with pytest.raises(NotFoundError):
            view.read(name)


def test_what_is_too_large_is_refused(tmp_path, monkeypatch):
    (tmp_path / "huge.toml").touch()
    os.truncate(tmp_path / "huge.toml", 1 << 40)
    view = Folder(tmp_path)
    with pytest.raises(InvalidError):
        view.read("huge.toml")
    assert view.head("huge.toml", 4) == b"\0\0\0\0"
    monkeypatch.setattr(module, "MAX_FILES", 20)
    for number in range(21):
        (tmp_path / f"f{number}").touch()
    with pytest.raises(InvalidError, match="more than 20 files"):
        Folder(tmp_path)


def test_a_hundred_levels_are_refused(tmp_path):
    deep = tmp_path.joinpath(*["d"] * 100)
    deep.mkdir(parents=True)
    with pytest.raises(InvalidError, match="nested"):
        Folder(tmp_path)


def test_tools_own_folders_are_not_searched(tmp_path):
    for name in (".git", "node_modules", ".venv"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "app.py").touch()
    assert list(Folder(tmp_path).files()) == []


def test_shallow_files_come_first():
    tree = Tree({"a/z.py": b"", "z.py": b"", "b.py": b"", "a/b/c.py": b""}, frozenset({"b.py"}))
    assert list(tree.files()) == ["b.py", "z.py", "a/z.py", "a/b/c.py"]
    assert tree.executable("b.py")
    assert tree.folder("a/b")


@given(st.dictionaries(st.text(max_size=20), st.binary(max_size=20), max_size=10))
def test_a_tree_shows_sound_names_only(content):
    tree = Tree(content)
    for path in tree.files():
        assert sound(path)
        assert not {"", ".", ".."} & set(path.split("/"))
        assert tree.read(path) == content[path]
