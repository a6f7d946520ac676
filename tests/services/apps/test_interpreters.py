"""Interpreters that an operator adds: from a mirror, from a folder, whole or not at all."""

from __future__ import annotations

import hashlib
import io
import json
import platform
import tarfile
from pathlib import Path

import pytest

from serai.errors import AlreadyExistsError, InvalidError, SeraiError, UnavailableError
from serai.services.apps.interpreters import Wish, add
from serai.services.apps.recipes.runtimes import discover

FILES = {
    "bin/python3.12": "#!/bin/sh\necho Python 3.12.9\n",
    "lib/python3.12/_sysconfigdata__linux_x86_64-linux-gnu.py": (
        "# system configuration generated and used by the sysconfig module\nbuild_time_vars = {}\n"
    ),
}


def mirror(folder: Path) -> str:
    """Make an archive like those that uv fetches, and a list that names it; return the list's URL."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as archive:
        for name, text in FILES.items():
            info = tarfile.TarInfo(f"python/{name}")
            info.size, info.mode = len(text), 0o755 if name.startswith("bin/") else 0o600
            archive.addfile(info, io.BytesIO(text.encode()))
        link = tarfile.TarInfo("python/bin/python3")
        link.type, link.linkname = tarfile.SYMTYPE, "python3.12"
        archive.addfile(link)
    (folder / "python.tar.gz").write_bytes(data.getvalue())
    told = {
        "name": "cpython", "arch": {"family": platform.machine(), "variant": None}, "os": "linux", "libc": "gnu",
        "major": 3, "minor": 12, "patch": 9, "prerelease": "", "variant": None, "build": "20250101",
        "url": (folder / "python.tar.gz").as_uri(), "sha256": hashlib.sha256(data.getvalue()).hexdigest(),
    }  # fmt: skip
    key = f"cpython-3.12.9-linux-{platform.machine()}-gnu"
    (folder / "downloads.json").write_text(json.dumps({key: told}))
    return (folder / "downloads.json").as_uri()


def test_a_python_comes_from_a_mirror_and_everybody_may_read_it(tmp_path: Path) -> None:
    wish = Wish(language="python", version="3.12", source=mirror(tmp_path))
    added = add(tmp_path / "home", wish)
    assert added.version == (3, 12, 9)
    assert added.mount is not None
    assert added.mount.source == tmp_path / "home/runtimes/python/3.12.9"
    assert added in discover(tmp_path / "home")
    modes = {path.relative_to(added.mount.source).as_posix(): path.stat().st_mode & 0o777 for path in
             added.mount.source.rglob("*.*")}  # fmt: skip
    assert modes["bin/python3.12"] == 0o755
    assert modes["lib/python3.12/_sysconfigdata__linux_x86_64-linux-gnu.py"] == 0o644
    with pytest.raises(AlreadyExistsError, match=r"3\.12\.9"):
        add(tmp_path / "home", wish)
    assert [path.name for path in (tmp_path / "home/runtimes/python").iterdir()] == ["3.12.9"]


def test_a_version_that_the_mirror_lacks_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="9"):
        add(tmp_path / "home", Wish(language="python", version="3.9", source=mirror(tmp_path)))
    assert list((tmp_path / "home/runtimes/python").iterdir()) == []


def test_a_folder_is_copied_where_it_has_that_version(tmp_path: Path) -> None:
    program = tmp_path / "there/bin/node"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\necho v22.1.0\n")
    program.chmod(0o700)
    with pytest.raises(InvalidError, match=r"22\.1\.0"):
        add(tmp_path / "home", Wish(language="node", version="22.10", source=str(tmp_path / "there")))
    with pytest.raises(InvalidError, match="no bin/node"):
        add(tmp_path / "home", Wish(language="node", version="22", source=str(tmp_path)))
    assert add(tmp_path / "home", Wish(language="node", version="22", source=str(tmp_path / "there"))).version == (
        22, 1, 0,
    )  # fmt: skip
    assert program.exists()


@pytest.mark.parametrize(
    ("language", "version"),
    [("cobol", "3"), ("php", "8.2"), ("python", ""), ("python", "../3"), ("python", "3.12; reboot"), ("node", "3.12\n"),
     ("node", "--prefix=/"), ("node", "1" * 1000), ("python", "😀"), ("python", "3\x00")],
)  # fmt: skip
def test_what_names_no_interpreter_is_refused_before_anything_is_made(
    tmp_path: Path, language: str, version: str
) -> None:
    with pytest.raises(InvalidError):
        add(tmp_path / "home", Wish(language=language, version=version))
    assert not (tmp_path / "home").exists()


def test_a_source_that_is_nothing_is_the_tools_own_error(tmp_path: Path) -> None:
    with pytest.raises(SeraiError):
        add(tmp_path / "home", Wish(language="python", version="3.12", source=(tmp_path / "no.json").as_uri()))
