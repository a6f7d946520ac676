"""PHP programs: php-cgi behind our own small HTTP server inside the sandbox, or PHP's own server where that is all."""

from __future__ import annotations

import json
from typing import ClassVar

from msgspec.structs import replace

from serai.errors import InvalidError
from serai.services.apps.recipes.cgi import GATEWAY
from serai.services.apps.recipes.contract import (
    APP,
    CACHE,
    PORT,
    BuildPlan,
    FolderView,
    Match,
    Program,
    Project,
    Step,
    key_of,
)
from serai.services.apps.recipes.versions import Version, choose, numbers

_ROOTS = ("public", "web", "htdocs", "")
# Where one of these lies beside index.php, all paths that are no file belong to it.
_FRONT = (".htaccess", "wp-config.php", "wp-config-sample.php", "composer.json", "artisan")


class Php:
    """Serve a folder with an index.php."""

    NAME: ClassVar[str] = "php"
    LOOKS_FOR: ClassVar[tuple[str, ...]] = ("index.php, or public/index.php",)

    def detect(self, project: Project) -> Match | None:
        """Fit where there is an index.php."""
        root = _root(project.files)
        return None if root is None else Match(self.NAME, f"{root}/index.php".lstrip("/"))

    def plan(self, project: Project) -> BuildPlan:
        """Run each *.php by php-cgi; composer installs what composer.json declares."""
        files, root = project.files, _root(project.files) or ""
        folder = f"{APP}/{root}".rstrip("/")
        wanted: list[tuple[str, Version]] = []
        if (project.manifest.runtime or "").startswith("php"):
            wanted.append(("runtime in app.toml", numbers(project.manifest.runtime or "")))
        if any(item.language == "php-cgi" for item in project.runtimes):
            php = choose(project.runtimes, "php-cgi", wanted)
            front = any(files.exists(name) or files.exists(f"{root}/{name}") for name in _FRONT)
            argv = (*GATEWAY, "--root", folder, "--php", php.executable, *(("--front", "index.php") if front else ()))
        else:
            php = choose(project.runtimes, "php", wanted)
            argv = (php.executable, "-S", f"127.0.0.1:{PORT}", "-t", folder)
        version = ".".join(map(str, php.version))
        plan = BuildPlan(recipe=self.NAME, runtime=f"php{version}", processes={"web": Program(argv=argv)})
        return _with_composer(plan, project)


def _with_composer(plan: BuildPlan, project: Project) -> BuildPlan:
    files = project.files
    if not files.exists("composer.json") or files.folder("vendor"):
        return plan
    composer = next((item for item in project.runtimes if item.language == "composer"), None)
    if composer is None:
        return replace(plan, notes=("composer.json is not read: this host has no composer. Bring vendor/ along.",))
    argv = (composer.executable, "install", "--no-dev", "--no-interaction", "--no-progress", "--optimize-autoloader")
    env = {"COMPOSER_HOME": f"{CACHE}/composer"}
    steps = (Step(title="Install packages", argv=argv, env=env, network=True, cached=_apart(files)),)
    key = key_of(files, ("composer.json", "composer.lock"), steps, plan.runtime)
    return replace(plan, steps=steps, key=key, outputs=("vendor",))


def _apart(files: FolderView) -> bool:
    """Say whether what composer installs follows from its own files alone: no script runs, no folder is looked at."""
    try:
        declared = json.loads(files.read("composer.json"))
    except (ValueError, RecursionError) as error:
        raise InvalidError(f"composer.json can't be read: {error}.", path="composer.json") from error
    if not isinstance(declared, dict):
        raise InvalidError("composer.json is not an object.", path="composer.json")
    return not any(declared.get(key) for key in ("scripts", "repositories", "autoload"))


def _root(files: FolderView) -> str | None:
    return next((root for root in _ROOTS if files.exists(f"{root}/index.php".lstrip("/"))), None)
