"""Each app with its own run time, version and packages, side by side, built for real."""

from __future__ import annotations

import gzip
import io
import json
import shutil
import subprocess
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import uv
from installation import Installation

VERSION = """
import platform, importlib.metadata
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{platform.python_version()} six {importlib.metadata.version('six')}".encode()]
"""
NODE = """
const ms = require("ms");
require("http").createServer((_, answer) => answer.end(process.version + " " + ms(60000)))
    .listen(process.env.PORT, process.env.HOST);
"""


def deploy(site: Installation, folder: Path, files: Mapping[str, str | bytes]) -> str:
    """Deploy files under the folder's name; return what the app answers."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    site.run("deploy", str(folder), "--tenant", "demo")
    return answer(site, folder.name)


def answer(site: Installation, app: str) -> str:
    told = site.get("demo.localhost", f"/{app}/")
    assert told.status == 200, told.text[:2000]
    return told.text


def pythons() -> Iterator[tuple[Path, str]]:
    """Yield interpreters in folders of their own (pyenv's, uv's) that are not this host's /usr: folder, version."""
    ask = "import sys; print(sys.base_prefix); print('%d.%d.%d' % sys.version_info[:3])"
    names = [shutil.which(name) for name in ("python3", "python", "python3.12", "python3.13")]
    found = [subprocess.run([name, "-c", ask], capture_output=True, text=True, check=False) for name in names if name]
    prefixes = {Path(done.stdout.split("\n")[0]) for done in found if done.returncode == 0} - {Path("/usr")}
    for sibling in sorted({one for prefix in prefixes for one in prefix.parent.glob("3.1?*")}):
        program = sibling / "bin/python3"
        if program.exists():
            done = subprocess.run([str(program), "-c", ask], capture_output=True, text=True, check=False)
            if done.returncode == 0:
                yield sibling, done.stdout.split("\n")[1]


def slim(folder: Path, into: Path) -> Path:
    """Copy an interpreter without what only its own tests need."""
    skipped = shutil.ignore_patterns("test", "tests", "site-packages", "config-*", "*.a", "__pycache__", "idlelib")
    shutil.copytree(folder, into, symlinks=True, ignore=skipped)
    return into


def test_two_pythons_and_three_ways_to_declare_packages(site: Installation, tmp_path: Path) -> None:
    other = next(((folder, text) for folder, text in pythons() if not text.startswith("3.11.")), None)
    if other is None:
        pytest.skip("this machine has one Python only")
    minor = other[1].rpartition(".")[0]
    project = f"[project]\nname = 'x'\nversion = '1'\nrequires-python = '=={minor}.*'\ndependencies = ['six==1.16.0']\n"
    newer = {"app.py": VERSION, "pyproject.toml": project}

    for name, content in newer.items():
        (tmp_path / "newer").mkdir(exist_ok=True)
        (tmp_path / "newer" / name).write_text(content)
    refused = site.run("deploy", str(tmp_path / "newer"), "--tenant", "demo", check=False)
    assert refused.returncode != 0
    assert f"no python =={minor}.*, which requires-python in pyproject.toml asks for; it has 3." in refused.stderr
    assert "serai runtime add python VERSION" in refused.stderr

    site.run("runtime", "add", "python", minor, "--from", str(slim(other[0], tmp_path / "slim")))
    assert {"language": "python", "version": other[1]} in [
        {key: one[key] for key in ("language", "version")} for one in site.json("runtime", "list")
    ]
    assert deploy(site, tmp_path / "newer", newer) == f"{other[1]} six 1.16.0"
    older = deploy(site, tmp_path / "older", {"app.py": VERSION, "requirements.txt": "six==1.17.0"})
    assert older.endswith(" six 1.17.0")
    assert not older.startswith(minor)

    locked = tmp_path / "locked"
    locked.mkdir()
    (locked / "pyproject.toml").write_text(
        "[project]\nname = 'x'\nversion = '1'\nrequires-python = '>=3.9'\ndependencies = ['six<1.17']\n"
    )
    subprocess.run([uv.find_uv_bin(), "lock", "--quiet", "--project", str(locked)], check=True)
    (locked / ".python-version").write_text(f"{minor}\n")
    assert deploy(site, locked, {"app.py": VERSION}) == f"{other[1]} six 1.16.0"
    assert answer(site, "newer") == f"{other[1]} six 1.16.0"
    assert answer(site, "older") == older


def test_two_nodes_one_of_the_host_one_of_the_release(site: Installation, tmp_path: Path) -> None:
    hosts = next(one["version"] for one in site.json("runtime", "list") if one["language"] == "node")
    package = {"name": "x", "main": "server.js", "dependencies": {"ms": "2.1.3"}}
    own = package | {"engines": {"node": "18 || 16"}}
    assert deploy(site, tmp_path / "nodes", {"server.js": NODE, "package.json": json.dumps(package)}) == f"v{hosts} 1m"
    told = deploy(site, tmp_path / "noded", {"server.js": NODE, "package.json": json.dumps(own)})
    assert told.startswith("v18.")
    assert answer(site, "nodes") == f"v{hosts} 1m"
    [release] = site.json("release", "list", "noded", "--tenant", "demo")
    assert release["runtime"] == "node 18 || 16"

    none = package | {"engines": {"node": "1.2.3"}}
    (tmp_path / "noded/package.json").write_text(json.dumps(none))
    refused = site.run("deploy", str(tmp_path / "noded"), "--tenant", "demo", check=False)
    assert refused.returncode != 0
    assert "Fetch Node 1.2.3" in refused.stderr
    assert answer(site, "noded") == told


@pytest.mark.skipif(shutil.which("composer") is None, reason="needs composer")
def test_composer_makes_the_vendor_folder(site: Installation, tmp_path: Path) -> None:
    path = {"type": "path", "url": "packages/greet", "options": {"symlink": False}}
    files = {
        "composer.json": json.dumps({"repositories": [path, {"packagist.org": False}], "require": {"me/greet": "*"}}),
        "packages/greet/composer.json": json.dumps(
            {"name": "me/greet", "version": "1.2.3", "autoload": {"psr-4": {"Greet\\": "src/"}}}
        ),
        "packages/greet/src/Hello.php": "<?php namespace Greet; class Hello { const WORD = 'first'; }",
        "index.php": "<?php require __DIR__ . '/vendor/autoload.php'; echo \\Greet\\Hello::WORD;",
    }
    assert deploy(site, tmp_path / "composed", files) == "first"
    files["packages/greet/src/Hello.php"] = files["packages/greet/src/Hello.php"].replace("first", "second")
    assert deploy(site, tmp_path / "composed", files) == "second", "what an earlier build left is not what was sent"


@pytest.mark.skipif(shutil.which("cpanm") is None, reason="needs cpanm")
def test_cpanm_installs_what_the_cpanfile_declares(site: Installation, tmp_path: Path) -> None:
    files = {
        "cpanfile": "requires 'Greet', '>= 1.2';\n",
        "app.toml": '[env]\nPERL_CPANM_OPT = "--mirror file:///app/mirror --mirror-only"\n',
        "app.psgi": "use Greet; sub { [200, ['Content-Type' => 'text/plain'], [Greet::hello()]] };\n",
        "mirror/authors/id/T/TE/TEST/Greet-1.5.tar.gz": distribution(),
        "mirror/modules/02packages.details.txt.gz": gzip.compress(
            b"File: 02packages.details.txt\nLine-Count: 1\n\nGreet 1.5 T/TE/TEST/Greet-1.5.tar.gz\n"
        ),
    }
    assert deploy(site, tmp_path / "perled", files) == "hello from local"


def distribution() -> bytes:
    """Return a Perl module as CPAN has them."""
    data = io.BytesIO()
    files = {
        "Makefile.PL": "use ExtUtils::MakeMaker; WriteMakefile(NAME => 'Greet', VERSION_FROM => 'lib/Greet.pm');\n",
        "lib/Greet.pm": "package Greet;\nour $VERSION = '1.5';\nsub hello { 'hello from local' }\n1;\n",
    }
    with tarfile.open(fileobj=data, mode="w:gz") as archive:
        for name, text in files.items():
            info = tarfile.TarInfo(f"Greet-1.5/{name}")
            info.size, info.mtime = len(text), int(Path(__file__).stat().st_mtime)
            archive.addfile(info, io.BytesIO(text.encode()))
    return data.getvalue()
