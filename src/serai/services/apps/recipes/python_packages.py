"""The packages of a Python program: which files declare them, which interpreter they want, how uv installs them."""

from __future__ import annotations

import re
import tomllib
from typing import Any

from serai.errors import InvalidError
from serai.services.apps.recipes.contract import (
    APP,
    CACHE,
    PATH,
    UV,
    BuildPlan,
    FolderView,
    Project,
    Runtime,
    Step,
    key_of,
)
from serai.services.apps.recipes.versions import Version, choose, missing, numbers, python_accepts

VENV = ".venv"
PYTHON = f"{APP}/{VENV}/bin/python"
FILES = ("requirements.txt", "pyproject.toml", "uv.lock", "setup.py", "setup.cfg")
ENV = {
    "UV_CACHE_DIR": f"{CACHE}/uv",
    # The cache is another mount, and links don't cross mounts.
    "UV_LINK_MODE": "copy",
    "UV_COMPILE_BYTECODE": "1",
    "UV_SYSTEM_CERTS": "1",
    "UV_PYTHON_DOWNLOADS": "never",
    "UV_NO_PROGRESS": "1",
    "UV_PROJECT_ENVIRONMENT": f"{APP}/{VENV}",
}
_NAME = re.compile(r"\s*([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)")
_LOCAL = re.compile(r"^\s*(?:-e|--editable|\.|/)|\bfile:", re.MULTILINE)
_SEPARATORS = re.compile(r"[-_.]+")


def declared(files: FolderView) -> frozenset[str]:
    """Return the normal names (PEP 503) of the packages that the folder declares, as far as plain text says them."""
    lines: list[str] = []
    if files.exists("requirements.txt"):
        lines += files.read("requirements.txt").decode(errors="replace").splitlines()
    project = pyproject(files).get("project", {})
    dependencies = project.get("dependencies", []) if isinstance(project, dict) else []
    lines += [line for line in dependencies if isinstance(line, str)] if isinstance(dependencies, list) else []
    names = (_NAME.match(line) for line in lines if not line.lstrip().startswith(("#", "-")))
    return frozenset(_SEPARATORS.sub("-", found[1]).lower() for found in names if found)


def pyproject(files: FolderView) -> dict[str, Any]:
    """Return pyproject.toml as a dict, {} where there is none. `InvalidError` where it can't be read."""
    if not files.exists("pyproject.toml"):
        return {}
    try:
        return tomllib.loads(files.read("pyproject.toml", 256 << 10).decode())
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        raise InvalidError(f"pyproject.toml can't be read: {error}.", path="pyproject.toml") from error


def interpreter(project: Project) -> Runtime:
    """Return the interpreter to use: app.toml, .python-version, runtime.txt, requires-python; else the newest."""
    files, wanted = project.files, list[tuple[str, Version]]()
    runtime = project.manifest.runtime or ""
    if runtime.startswith("python") and numbers(runtime):
        wanted.append(("runtime in app.toml", numbers(runtime)))
    for name in (".python-version", "runtime.txt"):
        asked = numbers(files.head(name).decode(errors="replace").partition("\n")[0])
        if asked and not wanted:
            wanted.append((name, asked))
    specifier = _requires_python(files)
    if not specifier or wanted:
        return choose(project.runtimes, "python", wanted)
    fitting = tuple(
        item for item in project.runtimes if item.language == "python" and python_accepts(specifier, item.version)
    )
    if not fitting:
        raise missing("python", "requires-python in pyproject.toml", specifier, project.runtimes)
    return choose(fitting, "python", ())


def _requires_python(files: FolderView) -> str:
    project = pyproject(files).get("project", {})
    value = project.get("requires-python", "") if isinstance(project, dict) else ""
    return value if isinstance(value, str) else ""


def install(project: Project, extra: tuple[str, ...] = ()) -> BuildPlan:
    """Return the steps that make ``/app/.venv`` with what the folder declares, and ``extra`` where that is silent."""
    files = project.files
    python = interpreter(project)
    venv = (UV, "venv", "--no-project", "--clear", "--python", python.executable, f"{APP}/{VENV}")
    steps = [Step(title="Make a virtual environment", argv=venv, env=ENV, cached=True)]
    more = tuple(name for name in extra if name not in declared(files))
    pip = (UV, "pip", "install", "--python", PYTHON)
    sources: tuple[str, ...] = ()
    if files.exists("uv.lock") and files.exists("pyproject.toml"):
        sync = (UV, "sync", "--frozen", "--no-dev", "--no-install-project", "--python", python.executable)
        steps.append(Step(title="Install the locked packages", argv=sync, env=ENV, network=True, cached=True))
    elif files.exists("requirements.txt"):
        sources = ("-r", "requirements.txt")
    elif "project" in pyproject(files):
        sources = ("-r", "pyproject.toml")
    if sources or more:
        argv = (*pip, *sources, *more)
        steps.append(Step(title="Install packages", argv=argv, env=ENV, network=True, cached=not _local(files)))
    if _is_package(files):
        # The program itself, as a link to its source: only its metadata and entry points are made.
        argv = (*pip, "--no-deps", "--editable", APP) if sources or files.exists("uv.lock") else (*pip, APP)
        steps.append(Step(title="Install the program", argv=argv, env=ENV, network=True))
    version = ".".join(map(str, python.version))
    return BuildPlan(
        recipe="python",
        runtime=f"python{version}",
        steps=tuple(steps),
        key=key_of(files, _inputs(files), tuple(steps), python.executable, version),
        outputs=(VENV,),
        env={
            "PATH": f"{APP}/{VENV}/bin:{PATH}",
            "VIRTUAL_ENV": f"{APP}/{VENV}",
            "PYTHONUNBUFFERED": "1",
            **python.env,
        },
        mounts=(python.mount,) if python.mount else (),
    )


def _inputs(files: FolderView) -> tuple[str, ...]:
    """Return all files that say what is installed: requirements may lead to more of them, and to constraints."""
    more = (
        path
        for path in files.files()
        if path.endswith((".txt", ".in")) and path.count("/") <= 1 and ("require" in path or "constraint" in path)
    )
    return (*FILES, ".python-version", *sorted(set(more) - set(FILES)))


def _local(files: FolderView) -> bool:
    """Say whether requirements name folders of the release: what is installed then follows from more than a key."""
    texts = [
        files.read(name).decode(errors="replace")
        for name in _inputs(files)
        if name.endswith(".txt") and files.exists(name)
    ]
    return any(_LOCAL.search(text) for text in texts)


def _is_package(files: FolderView) -> bool:
    if "build-system" in pyproject(files):
        return True
    return files.exists("setup.py") and not files.exists("requirements.txt")
