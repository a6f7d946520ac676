"""Find the interpreters of this host that tenants can run. The only part of recipes that asks the host."""

from __future__ import annotations

import os
import re
import stat
import subprocess
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from serai.cloud.drivers.contract import Mount
from serai.services.apps.recipes.contract import LIB, RUNTIMES, UV, Runtime
from serai.services.apps.recipes.versions import numbers

# Programs beside python whose version is asked for by running them: name -> arguments.
_PROGRAMS: dict[str, tuple[str, ...]] = {
    "node": ("--version",),
    "npm": ("--version",),
    "php": ("-n", "-r", "echo PHP_VERSION;"),
    "php-cgi": ("-n", "-v"),
    "composer": ("--no-interaction", "--version"),
    "perl": ("-e", "printf '%vd', $^V"),
    "plackup": ("--version",),
    "cpanm": ("--version",),
}
_PYTHON = re.compile(r"python3\.(\d{1,2})\Z")


def discover(home: Path | None = None, usr: Path = Path("/usr")) -> tuple[Runtime, ...]:
    """Return what this host offers, below ``usr`` and in ``home/runtimes/LANGUAGE/VERSION/bin/``.

    It starts a handful of programs, 0.1 s each at most a few seconds: ask once and keep the answer. What others may
    not read and execute (an interpreter in someone's own home) is left out, since tenants run as other users.
    """
    found: list[Runtime] = []
    for folder in (usr / "local/bin", usr / "bin"):
        found += _pythons(folder)
        for name, arguments in _PROGRAMS.items():
            if _open_to_all(folder / name) and not any(item.language == name for item in found):
                version = _ask((str(folder / name), *arguments))
                if version:
                    found.append(Runtime(language=name, version=version, executable=str(folder / name)))
    if home is not None:
        found += _own(home / "runtimes")
    return tuple(found)


def tools() -> tuple[Mount, ...]:
    """Return what every build and every process sees of the platform: the launchers, and uv (for builds)."""
    launchers = Path(str(import_module("serai.services.apps.launchers").__file__)).parent
    uv = import_module("uv").find_uv_bin()
    return (Mount(launchers, LIB), Mount(Path(uv), UV))


def _pythons(folder: Path) -> Iterator[Runtime]:
    if not folder.is_dir():
        return
    for path in sorted(folder.iterdir()):
        if (match := _PYTHON.match(path.name)) and _open_to_all(path):
            yield Runtime(language="python", version=(3, int(match[1])), executable=str(path))


def _own(folder: Path) -> Iterator[Runtime]:
    if not folder.is_dir():
        return
    for language in ("python", "node"):
        for path in sorted((folder / language).iterdir()) if (folder / language).is_dir() else ():
            program = path / "bin" / ("python3" if language == "python" else language)
            version = numbers(path.name)
            if version and program.exists():
                target = f"{RUNTIMES}/{language}-{path.name}"
                executable = f"{target}/bin/{program.name}"
                yield Runtime(language=language, version=version, executable=executable, mount=Mount(path, target))


def _open_to_all(path: Path) -> bool:
    """Say whether any user may execute it: by its own mode, and by that of each folder on the way."""
    try:
        real = path.resolve(strict=True)
        return bool(real.stat().st_mode & stat.S_IXOTH) and all(
            parent.stat().st_mode & stat.S_IXOTH for parent in real.parents
        )
    except (OSError, RuntimeError):
        return False


def _ask(argv: tuple[str, ...]) -> tuple[int, ...]:
    try:
        done = subprocess.run(  # one of our own tables
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=10,
            check=False,
            env={"PATH": os.defpath, "LANG": "C"},
        )
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return numbers(done.stdout.decode(errors="replace"))
